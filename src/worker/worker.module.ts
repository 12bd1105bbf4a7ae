import { type BeforeApplicationShutdown, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { RunWaits } from '../storage/run-waits.js';
import { Worker } from './worker.service.js';

/** Drives runs on this node while the application is up. */
@Module({ providers: [Worker] })
export class WorkerModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly worker: Worker,
    private readonly waits: RunWaits,
  ) {}

  onApplicationBootstrap(): void {
    this.worker.start();
  }

  /** Before the server closes: requests that wait are answered with the state of now, runs end or are given back (R12). */
  async beforeApplicationShutdown(): Promise<void> {
    this.waits.drain();
    await this.worker.drain();
  }
}
