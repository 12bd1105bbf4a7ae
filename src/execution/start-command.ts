import { type FastifyRequest } from 'fastify';
import { isId } from '../common/id-pipe.js';
import { type Principal } from '../common/principal.js';
import { waitOf } from '../common/wait.js';
import { type IdempotencyClaim } from '../engine/ports.js';
import { type ExecutionByIdRequest } from './dto/execution-by-id.request.js';
import { type ExecutionRequestBase } from './dto/execution-request-base.js';
import { type ExecuteRequest } from './request-pipes.js';
import { modelPlacesOf } from './model-start.js';
import { startOptionsOf } from './start-options.js';
import { type StartRun } from './start-run.js';
import { toolCallOf } from './tool-call.js';

/** What the request asks for outside its body. */
export interface Asked {
  readonly waitMs: number | null;
  readonly idempotency: IdempotencyClaim | null;
}

/** Reads headers and query of a start. */
export function askedBy(http: FastifyRequest): Asked {
  return { waitMs: waitOf(http.headers.prefer, http.query), idempotency: http.idempotency ?? null };
}

/** The command of `POST /executions/run`. */
export function startRunById(principal: Principal, request: ExecutionByIdRequest, asked: Asked): StartRun {
  return {
    ...commonPart(principal, request, asked),
    ...(request.execution_type === 'tool' ? toolCallOf(request.parameters, {}) : {}),
    lookup: { style: 'id', id: request.playbook_id, version: request.version ?? null },
    executionType: request.execution_type ?? null,
  };
}

/** The command of `POST /execute`. */
export function startRunByPath(principal: Principal, request: ExecuteRequest, asked: Asked): StartRun {
  return {
    ...commonPart(principal, request, asked),
    ...(request.execution_type === 'tool' ? toolCallOf(request.parameters, request) : {}),
    ...(request.execution_type === 'model' ? { modelAt: modelPlacesOf(request) } : {}),
    lookup: lookupOf(request),
    executionType: request.execution_type ?? null,
  };
}

/** Old clients name the entry that they show by its id; with a version said, digits that are none mean the same path in both styles. */
function lookupOf({ path, version }: ExecuteRequest): StartRun['lookup'] {
  return isId(path) ? { style: 'id', id: path, version } : { style: 'path', path, version };
}

function commonPart(
  principal: Principal,
  request: ExecutionRequestBase,
  { waitMs, idempotency }: Asked,
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
    forkedFrom: null,
    kept: [],
    options: startOptionsOf(request),
    idempotency,
    waitMs,
  };
}
