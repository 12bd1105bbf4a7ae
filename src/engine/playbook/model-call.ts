import { type Issue } from '../engine-error.js';
import { isObject, type Json, type JsonObject } from '../values.js';

/** What a Model is asked. */
export interface ModelCall {
  /** The name the caller calls the model by; null: none was given. */
  readonly name: string | null;
  readonly inputs: JsonObject;
  /** Settings as the caller gives them; rules come from the entry. */
  readonly settings: JsonObject;
  /** True where the inputs stood below `inputs`, not as the parameters themselves. */
  readonly wrapped: boolean;
}

/**
 * Reads the parameters of a model execution: `{model_name?, inputs, inference_config?}`, or the inputs as they stand beside the other two.
 * Pointers of what is wrong are relative to the parameters.
 */
export function readModelCall(parameters: JsonObject): { readonly call: ModelCall; readonly issues: readonly Issue[] } {
  const { model_name: name = null, inference_config: settings = null, inputs, ...rest } = parameters;
  const issues: Issue[] = [];
  const wrong = (key: string, message: string, code: Issue['code'] = 'invalid_type'): void => {
    issues.push({ pointer: `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, code, message });
  };
  if (name !== null && typeof name !== 'string') wrong('model_name', 'must be a string');
  if (settings !== null && !isObject(settings)) wrong('inference_config', 'must be an object');
  const wrapped = inputs !== undefined;
  if (wrapped && !isObject(inputs)) wrong('inputs', 'must be an object');
  if (wrapped) for (const key of Object.keys(rest)) wrong(key, 'stands beside inputs, and belongs to nothing', 'unknown_field');
  return {
    call: { name: textOrNull(name), inputs: mapping(wrapped ? inputs : rest), settings: mapping(settings), wrapped },
    issues,
  };
}

function mapping(value: Json): JsonObject {
  return isObject(value) ? value : {};
}

function textOrNull(value: Json): string | null {
  return typeof value === 'string' ? value : null;
}
