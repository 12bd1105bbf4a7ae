import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { isTerminal, RUN_STATUSES } from '../engine/run/events.js';
import { ControlService } from '../execution/control.service.js';
import { DatabaseClock } from '../storage/connection/database-clock.js';
import { type ExecutionFilter, ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { PAST_THE_WISH } from './bulk-actions.js';
import { type CleanupResponse } from './dto/cleanup.js';

const MOST = 1_000;
/** At the same time; a request must not take the whole pool. */
const WIDTH = 8;
const HIGHEST_ID = String(2n ** 63n - 1n);
const OPEN: ExecutionFilter = {
  ids: [],
  path: null,
  version: null,
  statuses: RUN_STATUSES.filter((status) => !isTerminal(status)),
  executionType: null,
  parentExecutionId: null,
  metadata: null,
  startedFrom: null,
  startedTo: null,
  endedFrom: null,
  endedTo: null,
};

/** Cancels what has been open for long, within one request. */
@Injectable()
export class CleanupService {
  constructor(
    private readonly executions: ExecutionRepository,
    private readonly control: ControlService,
    private readonly clock: DatabaseClock,
  ) {}

  async cancelOlderThan(principal: Principal, ageMs: number, dryRun: boolean): Promise<CleanupResponse> {
    const createdUntil = this.clock.now() - ageMs;
    const ids = await this.executions.idsOf(principal.tenant, OPEN, { after: '0', upTo: HIGHEST_ID, createdUntil, limit: MOST });
    if (dryRun) return { cancelled_count: ids.length, execution_ids: ids, message: `${ids.length} executions would be cancelled.` };
    const cancelled: string[] = [];
    for (let at = 0; at < ids.length; at += WIDTH) {
      const slice = ids.slice(at, at + WIDTH);
      const asked = await Promise.all(slice.map((id) => this.cancel(principal, id)));
      cancelled.push(...slice.filter((_id, index) => asked[index]));
    }
    return {
      cancelled_count: cancelled.length,
      execution_ids: cancelled,
      message: `${cancelled.length} executions are being cancelled.`,
    };
  }

  /** @returns false where it was asked to cancel before, or has ended meanwhile */
  private async cancel(principal: Principal, id: string): Promise<boolean> {
    try {
      return !(await this.control.cancel(principal, id, { reason: 'cleanup', cascade: true, force: false })).alreadySo;
    } catch (error) {
      if (error instanceof EngineError && PAST_THE_WISH.has(error.code)) return false;
      throw error;
    }
  }
}
