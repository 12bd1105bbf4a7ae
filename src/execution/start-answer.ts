import { type FastifyReply } from 'fastify';
import { warningHeader } from '../common/warning-header.js';
import { executionStatusOf } from '../status/dto/execution-view.js';
import { type ExecutionStatus } from '../status/dto/execution-status.js';
import { type StartedRun } from './start-run.js';

/** Seconds after which asking for the state is worth it. */
const POLL_AFTER_SECONDS = 1;

/** Sets status and headers of the answer to a start: 200 where the execution has ended, else 202 with where to look. */
export function answerStart(reply: FastifyReply, started: StartedRun): ExecutionStatus {
  const { execution, ended, waitApplied } = started;
  void reply.code(ended ? 200 : 202).header('location', `/executions/${execution.id}`);
  if (started.replayed) void reply.header('idempotency-replayed', 'true');
  if (!ended) void reply.header('retry-after', String(POLL_AFTER_SECONDS));
  if (waitApplied !== null) void reply.header('preference-applied', `wait=${Math.floor(waitApplied / 1000)}`);
  if (started.warnings.length > 0) void reply.header('warning', warningHeader(started.warnings));
  return executionStatusOf(execution, { result: started.result, durable: started.durable });
}
