import { type BeforeApplicationShutdown, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { ExecutionModule } from '../execution/execution.module.js';
import { BulkOperationsController } from './bulk-operations.controller.js';
import { BulkRunner } from './bulk-runner.js';
import { BulkService } from './bulk.service.js';
import { CleanupController } from './cleanup.controller.js';
import { CleanupService } from './cleanup.service.js';

/** One wish about many executions. */
@Module({
  imports: [ExecutionModule],
  controllers: [BulkOperationsController, CleanupController],
  providers: [BulkService, BulkRunner, CleanupService],
})
export class BulkModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(private readonly runner: BulkRunner) {}

  onApplicationBootstrap(): void {
    this.runner.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.runner.stop();
  }
}
