import { isObject, type Json, type JsonObject, own } from '../../values.js';
import { CONTRACT_KEYS } from '../contract.js';
import { type DocumentReading } from '../document-reading.js';
import { at } from '../source-positions.js';
import { type EntryBody, type KindReader } from './kind-reader.js';
import { oneStep } from './one-step.js';
import { schemaDefaults } from './schema-defaults.js';

/** How a tool does its work, and which keys say so. */
const IMPLEMENTATIONS: Readonly<Record<string, readonly string[]>> = {
  http: ['method', 'endpoint', 'url', 'headers', 'params', 'data', 'auth', 'timeout', 'retry', 'verify'],
  playbook: ['path', 'version', 'timeout', 'retry'],
  mcp: ['server', 'tool', 'definition', 'auth', 'timeout', 'retry'],
};
/** The whole of the arguments, handed on. */
const ALL_ARGUMENTS = '{{ workload }}';

/**
 * `kind: Tool`: one call, of an HTTP endpoint, a playbook or a tool of an MCP server, behind a name and a contract. It becomes the program
 * `start -> call -> end`; the arguments are its workload.
 */
export const toolReader: KindReader = {
  rootKeys: ['workload', 'credentials', 'keychain'],

  read(root, reading, contract): EntryBody {
    const { findings } = reading;
    const spec = reading.mappingAt(root, 'spec');
    const given = Object.keys(IMPLEMENTATIONS).filter((key) => Object.hasOwn(spec, key));
    const word = given[0];
    if (word === undefined || given.length > 1)
      findings.error('invalid_document', '/spec', 'A tool needs exactly one of "spec.http", "spec.playbook" and "spec.mcp".');
    for (const key of Object.keys(spec))
      if (!Object.hasOwn(IMPLEMENTATIONS, key) && !['serves', 'result', ...CONTRACT_KEYS].includes(key))
        findings.warn('unknown_field', at('/spec', key), `unknown key "${key}" in the spec of a tool; it has no effect`);
    const fields = word === undefined ? {} : fieldsOf(spec, word, reading);
    const result = own(spec, 'result');
    return {
      workload: { ...(word === 'mcp' ? {} : schemaDefaults(contract, reading)), ...reading.mappingAt(root, 'workload') },
      workbook: [],
      workflow: word === undefined ? [] : oneStep(stepOf(word, fields), at('/spec', word), result ?? RESULTS[word] ?? null, reading),
      credentials: own(root, 'credentials') ?? null,
      keychain: own(root, 'keychain') ?? null,
      exposed: {},
    };
  },
};

/** What a tool answers where its author does not say: of an HTTP call the body. */
const RESULTS: Readonly<Record<string, string>> = { http: '{{ call.data }}' };

function stepOf(word: string, fields: JsonObject): JsonObject {
  if (word === 'http') return { ...fields, type: 'http' };
  return { ...fields, type: word, data: ALL_ARGUMENTS };
}

function fieldsOf(spec: JsonObject, word: string, { findings }: DocumentReading): JsonObject {
  const value: Json = own(spec, word) ?? null;
  if (!isObject(value)) {
    findings.error('invalid_type', at('/spec', word), `"spec.${word}" must be a mapping.`);
    return {};
  }
  const known = IMPLEMENTATIONS[word] ?? [];
  for (const key of Object.keys(value))
    if (!known.includes(key))
      findings.warn('unknown_field', at('/spec', word, key), `unknown key "${key}" in spec.${word}; it has no effect`);
  return Object.fromEntries(Object.entries(value).filter(([key]) => known.includes(key)));
}
