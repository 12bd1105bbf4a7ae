import { EngineError } from '../../engine/engine-error.js';
import { settingsOf } from '../../engine/playbook/inference-config.js';
import { readModelCall } from '../../engine/playbook/model-call.js';
import { type Action, type InferenceRule } from '../../engine/playbook/playbook.js';
import { StepFailure } from '../../engine/step-executor.js';
import { type Rendering } from '../../engine/template/rendering.js';
import { type Scope } from '../../engine/template/scope.js';
import { compileValue, type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { headersOf } from '../../outbound/http-request.js';

/** What one inference is asked, recorded before it begins. */
export interface ModelRequest extends JsonObject {
  provider: string;
  /** What the provider is asked for; null where it does one thing only. */
  task: string | null;
  /** The name the caller used. */
  requested: string;
  /** Base URL of a remote provider, as the entry says; null: none. */
  endpoint: string | null;
  /** The model's name at the provider. */
  model: string | null;
  headers: Record<string, string>;
  system: string | null;
  inputs: JsonObject;
  /** Settings of the inference, defaults of the entry included. */
  settings: JsonObject;
  /** What else the entry says, as it is. */
  options: JsonObject;
}

/** A model with its templates compiled. */
export interface ModelConfig {
  readonly provider: string;
  readonly task: string | null;
  readonly name: string;
  readonly places: Readonly<Record<'endpoint' | 'model' | 'headers' | 'system', ValueTemplate>>;
  readonly defaults: JsonObject;
  readonly rules: Readonly<Record<string, InferenceRule>>;
  readonly options: JsonObject;
}

const OPTIONS = [
  'stream',
  'batch_size',
  'response_schema',
  'max_response_bytes',
  'model_version',
  'check_ready',
  'inputs',
  'outputs',
  'closed',
];

/** Throws EngineError `invalid_document` where the action was not made from a Model. */
export function parseModel(action: Action): ModelConfig {
  const spec = own(action.fields, 'spec');
  const provider = isObject(spec) ? own(spec, 'provider') : undefined;
  if (!isObject(spec) || typeof provider !== 'string') throw new EngineError('invalid', 'invalid_document', 'The action is of no Model.');
  const place = (key: string): ValueTemplate => compileValue(own(spec, key) ?? null);
  const mapping = (key: string): JsonObject => {
    const value = own(spec, key);
    return isObject(value) ? value : {};
  };
  return {
    provider,
    task: textOf(own(spec, 'task') ?? null),
    name: textOf(own(spec, 'name') ?? null) ?? '',
    places: { endpoint: place('endpoint'), model: place('model'), headers: place('headers'), system: place('system') },
    defaults: mapping('defaults'),
    rules: mapping('rules') as Record<string, InferenceRule>,
    options: Object.fromEntries(OPTIONS.flatMap((key) => (Object.hasOwn(spec, key) ? [[key, spec[key] ?? null]] : []))),
  };
}

/** @throws StepFailure where the parameters are none of a model; the door has looked before */
export function renderModel(config: ModelConfig, parameters: JsonObject, scope: Scope, rendering: Rendering): ModelRequest {
  const { call, issues } = readModelCall(parameters);
  const [issue] = issues;
  if (issue) throw new StepFailure('invalid_parameters', `${issue.pointer ?? ''} ${issue.message}`, { retryable: false });
  const { endpoint, model, headers, system } = config.places;
  return {
    provider: config.provider,
    task: config.task,
    requested: call.name ?? config.name,
    endpoint: textOf(endpoint.render(scope, rendering)),
    model: textOf(model.render(scope, rendering)),
    headers: headersOf(headers.render(scope, rendering)),
    system: textOf(system.render(scope, rendering)),
    inputs: { ...config.defaults, ...call.inputs },
    settings: settingsOf(config.rules, call.settings),
    options: config.options,
  };
}

function textOf(value: Json): string | null {
  if (value === null || typeof value === 'object') return null;
  const text = String(value).trim();
  return text === '' ? null : text;
}
