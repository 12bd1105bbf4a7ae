import { type BeforeApplicationShutdown, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { ExecutionModule } from '../execution/execution.module.js';
import { RunWaits } from '../storage/run-waits.js';
import { QueueTimeouts } from './queue-timeouts.js';
import { Worker } from './worker.service.js';

/** Drives runs on this node while the application is up, and ends what nobody began in time. */
@Module({ imports: [ExecutionModule], providers: [Worker, QueueTimeouts], exports: [Worker] })
export class WorkerModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly worker: Worker,
    private readonly waits: RunWaits,
    private readonly timeouts: QueueTimeouts,
  ) {}

  onApplicationBootstrap(): void {
    this.worker.start();
    this.timeouts.start();
  }

  /** Before the server closes: requests that wait are answered with the state of now, runs end or are given back (R12). */
  async beforeApplicationShutdown(): Promise<void> {
    this.waits.drain();
    await this.timeouts.stop();
    await this.worker.drain();
  }
}
