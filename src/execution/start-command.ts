import { type Principal } from '../common/principal.js';
import { type ExecutionByIdRequest } from './dto/execution-by-id.request.js';
import { type ExecutionRequestBase } from './dto/execution-request-base.js';
import { type ExecuteRequest } from './request-pipes.js';
import { type StartRun } from './start-run.js';

/** The command of `POST /executions/run`. */
export function startRunById(principal: Principal, request: ExecutionByIdRequest, waitMs: number | null): StartRun {
  return {
    ...commonPart(principal, request, waitMs),
    lookup: { style: 'id', id: request.playbook_id, version: request.version ?? null },
    executionType: request.execution_type ?? null,
  };
}

/** The command of `POST /execute`. */
export function startRunByPath(principal: Principal, request: ExecuteRequest, waitMs: number | null): StartRun {
  return {
    ...commonPart(principal, request, waitMs),
    lookup: { style: 'path', path: request.path, version: request.version },
    executionType: request.execution_type ?? null,
  };
}

function commonPart(
  principal: Principal,
  request: ExecutionRequestBase,
  waitMs: number | null,
): Omit<StartRun, 'lookup' | 'executionType'> {
  const { context } = request;
  return {
    principal,
    parameters: request.parameters,
    merge: request.merge,
    durable: request.sync_to_postgres,
    // The flat, older form wins over the nested one.
    parent: {
      executionId: request.parent_execution_id ?? context?.parent_execution_id ?? null,
      eventId: request.parent_event_id ?? context?.parent_event_id ?? null,
      step: request.parent_step ?? context?.parent_step ?? null,
    },
    metadata: request.metadata ?? {},
    waitMs,
  };
}
