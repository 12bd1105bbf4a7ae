import { type Principal } from '../common/principal.js';
import { type CancelledRun, type CancelRun, type StartedRun, type StartRun } from './start-run.js';

/** The one door: both endpoints, batch, schedules and MCP start and cancel executions here. */
export abstract class ExecutionService {
  /** Resolves when the start is durable, or at the end of a granted wait. Throws EngineErrors. */
  abstract start(command: StartRun): Promise<StartedRun>;

  /** Asks an execution to end as cancelled. Throws `unknown_execution`, `already_completed`, `already_failed`. */
  abstract cancel(principal: Principal, id: string, how: CancelRun): Promise<CancelledRun>;
}
