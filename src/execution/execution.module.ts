import { Module } from '@nestjs/common';
import { CatalogModule } from '../catalog/catalog.module.js';
import { CHILD_RUNS } from '../engine/child-runs-port.js';
import { StatusModule } from '../status/status.module.js';
import { ChildRunsService } from './child-runs.service.js';
import { ControlController } from './control.controller.js';
import { EntryOpenApiController } from './entry-open-api.controller.js';
import { ExecuteController } from './execute.controller.js';
import { ExecutionService } from './execution.service.js';
import { NewRuns } from './new-runs.js';
import { RepeatedStarts } from './repeated-starts.js';
import { ControlService } from './control.service.js';
import { RestartController } from './restart.controller.js';
import { RestartService } from './restart.service.js';
import { RunController } from './run.controller.js';

/** The door: both ways of starting an execution, and wishes about a going one. */
@Module({
  imports: [CatalogModule, StatusModule],
  controllers: [RunController, ExecuteController, ControlController, RestartController, EntryOpenApiController],
  providers: [
    { provide: CHILD_RUNS, useExisting: ChildRunsService },
    ExecutionService,
    ChildRunsService,
    ControlService,
    RestartService,
    RepeatedStarts,
    NewRuns,
  ],
  exports: [CHILD_RUNS, ExecutionService, ChildRunsService, ControlService, RestartService],
})
export class ExecutionModule {}
