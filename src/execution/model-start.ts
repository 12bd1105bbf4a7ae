import { EngineError, type Issue } from '../engine/engine-error.js';
import { settingIssues } from '../engine/playbook/inference-config.js';
import { readModelCall } from '../engine/playbook/model-call.js';
import { type EntryContract } from '../engine/playbook/playbook.js';
import { readTensors } from '../engine/tensors/read-tensors.js';
import { isObject, type JsonObject, own } from '../engine/values.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { checkServes } from './served-names.js';
import { type StartRun } from './start-run.js';

/** Where the parts of a model call may stand besides `parameters`. */
export interface ModelFields {
  readonly model_name?: string;
  readonly inputs?: JsonObject;
  readonly inference_config?: JsonObject;
}

/** Pointers to the parts that the request has at its root, so that errors point there. */
export function modelPlacesOf(root: ModelFields): Record<string, string> {
  const keys = (['model_name', 'inputs', 'inference_config'] as const).filter((key) => root[key] !== undefined);
  return Object.fromEntries(keys.map((key) => [key, `/${key}`]));
}

/**
 * Whether a model may be asked this: by a name it serves, with settings within its bounds.
 * @returns the inputs, for the schema, and where they stand
 * @throws EngineError `invalid_request`, `unknown_model`, `invalid_inference_config`
 */
export function checkModelCall(
  parameters: JsonObject,
  entry: Pick<CatalogEntry, 'name' | 'path' | 'version'>,
  { toolName, serves, inference = {} }: EntryContract,
  { parametersAt, modelAt = {} }: { readonly parametersAt: string } & Pick<StartRun, 'modelAt'>,
): { readonly inputs: JsonObject; readonly inputsAt: string } {
  const placeOf = (key: string): string => modelAt[key] ?? `${parametersAt}/${key}`;
  const placed = (issue: Issue): Issue => {
    const [, key = '', rest = ''] = /^\/([^/]*)(.*)$/s.exec(issue.pointer ?? '') ?? [];
    return { ...issue, pointer: placeOf(key) + rest };
  };
  const { call, issues } = readModelCall(parameters);
  if (issues.length > 0)
    throw new EngineError('invalid', 'invalid_request', 'The request is not valid; errors[] says where.', issues.map(placed));
  if (call.name !== null) checkServes('model', call.name, placeOf('model_name'), entry, { toolName, serves });
  const broken = settingIssues(inference, call.settings).map((issue) => placed({ ...issue, pointer: `/inference_config${issue.pointer}` }));
  const [first] = broken;
  if (first) {
    const more = broken.length > 1 ? ` (and ${broken.length - 1} more)` : '';
    throw new EngineError(
      'invalid',
      'invalid_inference_config',
      `The settings of the inference do not fit: ${first.pointer} ${first.message}${more}.`,
      broken,
    );
  }
  return { inputs: call.inputs, inputsAt: call.wrapped ? placeOf('inputs') : parametersAt };
}

/**
 * Whether inputs are the tensors that the entry declares. What the schema has a default for may be missing.
 * @throws EngineError `invalid_tensor`
 */
export function checkTensors(inputs: JsonObject, { tensors = [], inputSchema }: EntryContract, inputsAt: string): void {
  if (tensors.length === 0) return;
  const properties = inputSchema && own(inputSchema, 'properties');
  const hasDefault = (key: string): boolean => {
    const schema = isObject(properties) ? own(properties, key) : undefined;
    return isObject(schema) && (own(schema, 'default') ?? null) !== null;
  };
  const rules = tensors.map((rule) => ({ ...rule, optional: rule.optional || hasDefault(rule.key) }));
  const issues = readTensors(rules, inputs, inputSchema === null).issues.map((issue) => ({
    ...issue,
    pointer: inputsAt + (issue.pointer ?? ''),
  }));
  const [first] = issues;
  if (!first) return;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  throw new EngineError('invalid', 'invalid_tensor', `The inputs do not fit the model: ${first.pointer} ${first.message}${more}.`, issues);
}
