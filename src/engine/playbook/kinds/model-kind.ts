import { readTensorRules } from '../../tensors/read-rules.js';
import { type TensorRule } from '../../tensors/tensor.js';
import { isObject, type Json, type JsonObject, own } from '../../values.js';
import { CONTRACT_KEYS } from '../contract.js';
import { type DocumentReading } from '../document-reading.js';
import { type Findings } from '../findings.js';
import { textOf } from '../normalise-values.js';
import { type EntryContract } from '../playbook.js';
import { at } from '../source-positions.js';
import { type EntryBody, type KindReader } from './kind-reader.js';
import { oneStep } from './one-step.js';
import { schemaDefaults } from './schema-defaults.js';

interface ProviderRule {
  readonly keys: readonly string[];
  readonly required: readonly string[];
  /** What it can be asked for; the first where the document does not say; empty: it does one thing only. */
  readonly tasks: readonly string[];
  /** Over a network, so an attempt that fails is worth another. */
  readonly remote: boolean;
  /** It takes and gives tensors, which the document may describe. */
  readonly tensors: boolean;
}

/** What runs a model, and which keys say how. */
const PROVIDERS: Readonly<Record<string, ProviderRule>> = {
  builtin: { keys: [], required: ['task'], tasks: ['sentiment', 'entities', 'language'], remote: false, tensors: false },
  openai: {
    keys: ['endpoint', 'model', 'auth', 'headers', 'system', 'stream', 'response_schema', 'max_response_bytes'],
    required: ['endpoint', 'model'],
    tasks: ['chat', 'completion', 'embeddings'],
    remote: true,
    tensors: false,
  },
  open_inference: {
    keys: ['endpoint', 'model', 'model_version', 'auth', 'headers', 'check_ready', 'inputs', 'outputs', 'max_response_bytes'],
    required: ['endpoint', 'model'],
    tasks: [],
    remote: true,
    tensors: true,
  },
  onnx: { keys: ['model', 'inputs', 'outputs'], required: ['model'], tasks: [], remote: false, tensors: true },
};
const COMMON = ['provider', 'task', 'serves', 'inference_config', 'batch_size', 'timeout', 'retry', 'result', ...CONTRACT_KEYS];
const ALL_PARAMETERS = '{{ workload }}';
const MOST_IN_BATCH = 2_048;

/** `kind: Model`: one model behind a name and a contract. It becomes the program `start -> model_call -> end`; what it is asked is its workload. */
export const modelReader: KindReader = {
  rootKeys: ['credentials', 'keychain'],

  read(root, reading, contract): EntryBody {
    const { findings } = reading;
    const spec = reading.mappingAt(root, 'spec');
    const word = textOf(own(spec, 'provider') ?? null) ?? '';
    const provider = Object.hasOwn(PROVIDERS, word) ? PROVIDERS[word] : undefined;
    if (!provider)
      findings.error(
        'invalid_value',
        at('/spec', 'provider'),
        `A model needs "spec.provider": one of ${Object.keys(PROVIDERS).join(', ')}.`,
      );
    const tensors = provider?.tensors === true ? tensorsOf(spec, findings) : null;
    if (word === 'open_inference') refuseLists(contract, findings);
    const metadata = own(root, 'metadata') ?? null;
    const name = textOf((isObject(metadata) ? own(metadata, 'name') : own(root, 'name')) ?? null);
    const call = provider
      ? {
          ...fieldsOf(spec, word, provider, reading),
          ...(tensors && { ...tensors, closed: contract.inputSchema === null }),
          provider: word,
          name,
          defaults: schemaDefaults(contract, reading),
          rules: { ...contract.inference },
        }
      : {};
    return {
      workload: {},
      workbook: [],
      workflow: provider ? oneStep(stepOf(spec, call, provider), '/spec', own(spec, 'result') ?? null, reading) : [],
      credentials: own(root, 'credentials') ?? null,
      keychain: own(root, 'keychain') ?? null,
      exposed: {},
      ...(tensors && tensors.inputs.length > 0 ? { contract: { ...contract, tensors: tensors.inputs } } : {}),
    };
  },
};

function tensorsOf(spec: JsonObject, findings: Findings): { inputs: TensorRule[]; outputs: TensorRule[] } {
  const rules = (key: string): TensorRule[] => readTensorRules(own(spec, key) ?? null, at('/spec', key), findings);
  return { inputs: rules('inputs'), outputs: rules('outputs') };
}

/** The parameters of the protocol are texts, numbers and booleans. */
function refuseLists({ inference = {} }: EntryContract, findings: Findings): void {
  for (const [name, { type }] of Object.entries(inference))
    if (type === 'array')
      findings.error('invalid_value', at('/spec/inference_config', name), 'A parameter of this protocol is text, a number or a boolean.');
}

function stepOf(spec: JsonObject, call: JsonObject, { remote }: ProviderRule): JsonObject {
  const given = Object.fromEntries(
    ['auth', 'timeout', 'retry'].flatMap((key) => (Object.hasOwn(spec, key) ? [[key, spec[key] ?? null]] : [])),
  );
  const retry: JsonObject = remote ? { retry: { max_attempts: 3, initial_delay: 0.5, max_delay: 30 } } : {};
  return { type: 'model_call', spec: call, data: ALL_PARAMETERS, ...retry, ...given };
}

/** The fields of the provider, checked where they are no templates. */
function fieldsOf(spec: JsonObject, word: string, { keys, required, tasks }: ProviderRule, { findings }: DocumentReading): JsonObject {
  const wrong = (key: string, message: string): void => findings.error('invalid_value', at('/spec', key), message);
  for (const key of Object.keys(spec))
    if (![...COMMON, ...keys].includes(key))
      findings.warn('unknown_field', at('/spec', key), `unknown key "${key}" in the spec of a model of provider ${word}; it has no effect`);
  for (const key of required) {
    const value = own(spec, key) ?? null;
    if (value === null || value === '') findings.error('missing_field', '/spec', `A model of provider ${word} needs "spec.${key}".`);
  }
  for (const key of ['endpoint', 'model', 'system']) {
    const value = own(spec, key) ?? null;
    if (value !== null && textOf(value) === null) findings.error('invalid_type', at('/spec', key), `"${key}" must be text.`);
  }
  const version = own(spec, 'model_version') ?? null;
  if (version !== null && textOf(version) === null)
    findings.error('invalid_type', at('/spec', 'model_version'), 'model_version must be text.');
  for (const key of ['headers', 'response_schema']) {
    const value = own(spec, key) ?? null;
    if (value !== null && !isObject(value)) findings.error('invalid_type', at('/spec', key), `"${key}" must be a mapping.`);
  }
  for (const key of ['stream', 'check_ready']) {
    const flag = own(spec, key) ?? null;
    if (flag !== null && typeof flag !== 'boolean') findings.error('invalid_type', at('/spec', key), `${key} must be true or false.`);
  }
  const task = own(spec, 'task') ?? null;
  if (task !== null && !tasks.includes(task as string))
    wrong('task', tasks.length > 0 ? `task must be one of ${tasks.join(', ')}.` : `Models of provider ${word} have no tasks.`);
  for (const [key, most] of [
    ['batch_size', MOST_IN_BATCH],
    ['max_response_bytes', 16 * 1_048_576],
  ] as const) {
    const value = own(spec, key) ?? null;
    if (value !== null && !(typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most))
      wrong(key, `${key} must be a whole number from 1 to ${most}.`);
  }
  const kept = [...keys.filter((key) => !['auth', 'inputs', 'outputs'].includes(key)), 'batch_size'];
  const fields: [string, Json][] = kept.flatMap((key) => (Object.hasOwn(spec, key) ? [[key, spec[key] ?? null]] : []));
  return { ...Object.fromEntries(fields), task: task ?? tasks[0] ?? null };
}
