import { type PipeTransform } from '@nestjs/common';
import { RequestPipe } from '../common/request-pipe.js';
import { EngineError } from '../engine/engine-error.js';
import { isObject, type JsonObject } from '../engine/values.js';
import { ExecutionByIdRequest } from './dto/execution-by-id.request.js';
import { ExecutionByPathRequest } from './dto/execution-by-path.request.js';
import { ModelExecutionRequest } from './dto/model-execution.request.js';
import { ToolExecutionRequest } from './dto/tool-execution.request.js';

export type ExecuteRequest = ExecutionByPathRequest | ToolExecutionRequest | ModelExecutionRequest;

/** Checks the body of `POST /executions/run`. */
export const RUN_REQUEST = new RequestPipe(ExecutionByIdRequest);

const BY_PATH = new RequestPipe(ExecutionByPathRequest);
const TOOL = new RequestPipe(ToolExecutionRequest);
const MODEL = new RequestPipe(ModelExecutionRequest);

/** Checks the body of `POST /execute`: picks the class by execution_type first, since nothing is checked on a union. */
export class ExecuteRequestPipe implements PipeTransform<unknown, ExecuteRequest> {
  transform(body: unknown): ExecuteRequest {
    switch (typeWordOf(body)) {
      case 'tool':
        return inParameters(TOOL.transform(body), ['tool_name', 'arguments']);
      case 'model':
        return inParameters(MODEL.transform(body), ['model_name', 'inputs', 'inference_config']);
      default:
        return BY_PATH.transform(body);
    }
  }
}

function typeWordOf(body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  const name = ['execution_type', 'type', 'resource_kind', 'resource_type'].find((candidate) => Object.hasOwn(body, candidate));
  const word = name === undefined ? undefined : body[name];
  return typeof word === 'string' ? word.toLowerCase() : undefined;
}

/** Moves fields from the root to `parameters`, where the source examples write them; the same field in both places must agree. */
function inParameters<T extends { readonly parameters: JsonObject }>(request: T, fields: readonly (keyof T & string)[]): T {
  const parameters = { ...request.parameters };
  for (const field of fields) {
    const value = request[field] as JsonObject[string] | undefined;
    if (value === undefined) continue;
    if (Object.hasOwn(parameters, field) && JSON.stringify(parameters[field]) !== JSON.stringify(value)) {
      const message = `differs from parameters.${field}`;
      throw new EngineError('invalid', 'ambiguous_field', `${field} ${message}.`, [
        { pointer: `/${field}`, code: 'ambiguous_field', message },
      ]);
    }
    parameters[field] = value;
  }
  return { ...request, parameters };
}
