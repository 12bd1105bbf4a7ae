import { Inject, Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { ControlService } from '../execution/control.service.js';
import { RestartService } from '../execution/restart.service.js';
import { BulkLeases } from '../storage/bulk-leases.js';
import { type HeldBulkOperation } from '../storage/bulk-operation-record.js';
import { LeaseTerm } from '../storage/lease-term.js';
import { LOG, type Log } from '../storage/log.js';
import { BULK_CHANNEL, Notifications } from '../storage/connection/notifications.js';
import { ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { BulkWork } from './bulk-work.js';

/** Operations are looked for this often; notifications only make it sooner. */
const POLL_MS = 1_000;
/** Operations of one node at a time. */
const MOST = 4;
/** How long a shutdown waits for the executions that are being asked just now. */
const STOP_MS = 3_000;

/** Takes open bulk operations, whichever node they were asked of, and works on them while the application is up. */
@Injectable()
export class BulkRunner {
  private readonly running = new Map<string, { readonly work: BulkWork; readonly ended: Promise<void> }>();
  private looking = false;
  private stopped = true;
  private timer: NodeJS.Timeout | undefined;
  private unlisten: (() => void)[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly control: ControlService,
    private readonly restarts: RestartService,
    private readonly executions: ExecutionRepository,
    private readonly leases: BulkLeases,
    private readonly lease: LeaseTerm,
    private readonly notifications: Notifications,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Begins to take operations, unless this node only answers requests. */
  start(): void {
    if (this.settings.role === 'api') return;
    this.stopped = false;
    this.timer = setInterval(() => void this.look(), POLL_MS);
    this.unlisten = [
      this.notifications.listen(BULK_CHANNEL, (id) => {
        void this.running.get(id)?.work.beat();
        void this.look();
      }),
      this.notifications.onReconnect(() => void this.look()),
    ];
  }

  /** Takes no more and gives back what it has, so that another node goes on at once. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    for (const stop of this.unlisten) stop();
    for (const { work } of this.running.values()) work.stop();
    const { promise: tooLong, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, STOP_MS);
    await Promise.race([Promise.all([...this.running.values()].map(({ ended }) => ended)), tooLong]);
    clearTimeout(timer);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      while (!this.stopped && this.running.size < MOST) {
        const operation = await this.leases.claim();
        if (!operation) return;
        this.take(operation);
      }
    } catch (error) {
      this.log.warn({ err: error }, 'bulk operations could not be looked for');
    } finally {
      this.looking = false;
    }
  }

  private take(operation: HeldBulkOperation): void {
    const { control, restarts, executions, leases, lease, log } = this;
    const work = new BulkWork(operation, { doors: { control, restarts }, executions, leases, lease, log });
    // Claimed while the node was told to stop.
    if (this.stopped) work.stop();
    const ended = work.run().finally(() => {
      if (this.running.get(operation.id)?.work === work) this.running.delete(operation.id);
    });
    this.running.set(operation.id, { work, ended });
  }
}
