import { Module } from '@nestjs/common';
import { CatalogModule } from '../catalog/catalog.module.js';
import { StatusModule } from '../status/status.module.js';
import { ControlController } from './control.controller.js';
import { ExecuteController } from './execute.controller.js';
import { ExecutionService } from './execution.service.js';
import { RepeatedStarts } from './repeated-starts.js';
import { RerunController } from './rerun.controller.js';
import { RunController } from './run.controller.js';

/** The door: both ways of starting an execution, and wishes about a going one. */
@Module({
  imports: [CatalogModule, StatusModule],
  controllers: [RunController, ExecuteController, ControlController, RerunController],
  providers: [ExecutionService, RepeatedStarts],
  exports: [ExecutionService],
})
export class ExecutionModule {}
