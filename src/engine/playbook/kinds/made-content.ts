import { isObject, type JsonObject, own } from '../../values.js';
import { type DocumentReading } from '../document-reading.js';
import { at } from '../source-positions.js';
import { type EntryContract } from '../playbook.js';
import { type EntryBody } from './kind-reader.js';
import { oneStep, resultAlone } from './one-step.js';
import { playbookReader } from './playbook-kind.js';

/** Keys with which a document says who makes its content, where it does not write it down. */
export const MAKER_KEYS: readonly string[] = ['playbook', ...playbookReader.rootKeys];

/**
 * The program of an entry that is content: it gives what the document writes down, or what a playbook makes, or it is the steps of the document.
 * @param word what the document would write down, for findings
 * @param result what it wrote down, as a template; null where it did not
 * @param pointer where that stands
 */
export function makerOf(
  root: JsonObject,
  reading: DocumentReading,
  contract: EntryContract,
  word: string,
  result: JsonObject | null,
  pointer: string,
): EntryBody {
  const { findings } = reading;
  const call = reading.find(root, 'playbook');
  const hasSteps = Object.hasOwn(root, 'workflow') || Object.hasOwn(root, 'steps');
  if ([result, call, hasSteps || null].filter((given) => given !== null).length !== 1)
    findings.error('invalid_document', '', `The document needs exactly one of ${word}, "playbook" and "workflow".`);
  if (hasSteps) return { ...playbookReader.read(root, reading, contract), exposed: {} };
  const body = {
    workload: reading.mappingAt(root, 'workload'),
    workbook: [],
    credentials: own(root, 'credentials') ?? null,
    keychain: own(root, 'keychain') ?? null,
    exposed: {},
  };
  if (!call) return { ...body, workflow: resultAlone(result, pointer, reading) };
  if (!isObject(call.value)) findings.error('invalid_type', call.pointer, 'playbook must be a mapping with "path" and "version".');
  const fields = isObject(call.value) ? call.value : {};
  for (const key of Object.keys(fields))
    if (key !== 'path' && key !== 'version')
      findings.warn('unknown_field', at(call.pointer, key), `unknown key "${key}" in playbook; it has no effect`);
  const { path, version } = fields;
  const step = {
    type: 'playbook',
    data: '{{ workload }}',
    ...(path === undefined ? {} : { path }),
    ...(version === undefined ? {} : { version }),
  };
  return { ...body, workflow: oneStep(step, call.pointer, null, reading) };
}
