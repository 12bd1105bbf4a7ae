import { EngineError } from '../engine/engine-error.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type StartRun } from './start-run.js';

/** Where the parts of a tool call may stand besides `parameters`. */
export interface ToolFields {
  readonly tool_name?: string;
  readonly arguments?: JsonObject;
}

/**
 * The part of a start that says which tool is called with what, of a request of execution type tool whose root fields are inside `parameters` too.
 * Without `arguments` the parameters themselves, but for `tool_name`, are the arguments.
 * @throws EngineError `invalid_request` with a pointer to each thing that is neither
 */
export function toolCallOf(parameters: JsonObject, root: ToolFields): Pick<StartRun, 'parameters' | 'parametersAt' | 'tool'> {
  const { tool_name: name, arguments: wrapped, ...rest } = parameters;
  const tool = toolOf(name, root);
  if (wrapped === undefined) return { parameters: rest, parametersAt: '/parameters', tool };
  if (!isObject(wrapped)) throw refusal([['/parameters/arguments', 'invalid_type', 'must be an object']]);
  const others = Object.keys(rest);
  if (others.length > 0)
    throw refusal(others.map((key) => [pointerTo(key), 'unknown_field', 'stands beside arguments, and belongs to nothing']));
  return { parameters: wrapped, parametersAt: root.arguments === undefined ? '/parameters/arguments' : '/arguments', tool };
}

function toolOf(name: Json | undefined, root: ToolFields): StartRun['tool'] {
  if (name === undefined || name === null) return null;
  const pointer = root.tool_name === undefined ? '/parameters/tool_name' : '/tool_name';
  if (typeof name !== 'string') throw refusal([[pointer, 'invalid_type', 'must be a string']]);
  return { name, pointer };
}

function pointerTo(key: string): string {
  return `/parameters/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function refusal(findings: readonly (readonly [pointer: string, code: 'invalid_type' | 'unknown_field', message: string])[]): EngineError {
  const issues = findings.map(([pointer, code, message]) => ({ pointer, code, message }));
  return new EngineError('invalid', 'invalid_request', 'The request is not valid; errors[] says where.', issues);
}
