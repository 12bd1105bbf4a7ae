import { readFileSync } from 'node:fs';
import { ERROR_CODES } from '../error-codes.js';
import { ACTION_RULES, TYPE_WORDS } from './action-fields.js';
import { SAVE_KEYS } from './normalise-save.js';
import { parsePlaybook } from './parse-playbook.js';

/** docs/playbooks.md by its sections; what it says of types and fields is held against what the normaliser knows. */
const sections = new Map(
  readFileSync('docs/playbooks.md', 'utf8')
    .split(/^## /m)
    .map((section) => [section.split('\n', 1)[0]!, section]),
);
const TYPES = sections.get('Step types')!;
const STEP_FIELDS = sections.get('Fields of every step')!;
const SAVES = sections.get('Saves')!;
const rowsOf = (section: string): string[][] =>
  section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
const wordsOf = (text: string): string[] => [...text.matchAll(/[A-Za-z_][A-Za-z0-9_]*/g)].map(([word]) => word);
const rowFor = (type: string): string[] | undefined => rowsOf(TYPES).find(([, first]) => first?.includes(`\`${type}\``));

describe('docs/playbooks.md', () => {
  it.each(TYPE_WORDS)('has a row for the type %s', (type) => expect(rowFor(type)).toBeDefined());

  it.each(Object.entries(ACTION_RULES))('names every field of %s', (type, { fields }) => {
    const own = wordsOf((rowFor(type) ?? []).join(' '));
    const shared = ['duckdb', 'postgres'].includes(type) ? wordsOf((rowFor('postgres') ?? []).join(' ')) : [];
    const names = Object.entries(fields).flatMap(([name, { aliases = [] }]) => [name, ...aliases]);
    const isRead = ['transfer'].includes(type) ? ['source', 'target'] : names;
    expect([...own, ...shared]).toEqual(expect.arrayContaining(isRead));
  });

  it('names every key of a save', () => expect(wordsOf(SAVES)).toEqual(expect.arrayContaining([...SAVE_KEYS])));

  it('knows only codes that exist', () => {
    const codes =
      [...rowsOf(TYPES).flatMap((row) => row.slice(3)), ...rowsOf(STEP_FIELDS).flatMap((row) => row.slice(3)), ...rowsOf(SAVES).flatMap((row) => row.slice(3))] // prettier-ignore
        .flatMap((cell) => [...cell.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, word]) => word!));
    const known = new Set([...Object.keys(ERROR_CODES), ...codes.filter((word) => NO_CODES.includes(word))]);
    expect(codes.filter((word) => !known.has(word))).toEqual([]);
    expect(codes.length).toBeGreaterThan(80);
  });

  /** What the columns about refusals say, tried out. */
  it.each<[string, string, string | null]>([
    ['a type that is none', 'type: pyton\n    code: x', 'unknown_type'],
    ['a mapping as tool', 'tool: { kind: python }', 'unsupported_construct'],
    ['python without code', 'type: python', 'missing_field'],
    ['base64 of no text', 'type: python\n    code_b64: "/w=="', 'invalid_value'],
    ['http without endpoint', 'type: http', 'missing_field'],
    ['a method that is none', 'type: http\n    endpoint: http://a\n    method: FETCH', 'invalid_value'],
    ['params beside a lone template', 'type: http\n    endpoint: http://a\n    params: { a: 1 }\n    data: "{{ x }}"', 'ambiguous_field'],
    ['an iterator without element', 'type: iterator\n    collection: []\n    task: { type: python, code: x }', 'missing_field'],
    ['a loop without an action', 'loop: { in: [], iterator: x }', 'unsupported_construct'],
    ['playbook without path', 'type: playbook', 'missing_field'],
    ['secrets without name', 'type: secrets\n    provider: env', 'missing_field'],
    ['wait with both', 'type: wait\n    duration: 1\n    until: 2026-01-01T00:00:00Z', 'ambiguous_field'],
    ['wait without either', 'type: wait', 'missing_field'],
    ['a total below the progress', 'type: progress\n    progress: 3\n    total: 2', 'invalid_value'],
    ['a level that is none', 'type: log\n    message: x\n    level: loud', 'invalid_value'],
    ['a code with a blank', 'type: fail\n    message: x\n    code: a b', 'invalid_value'],
    ['input that asks nothing', 'type: input', 'missing_field'],
    ['input by an unknown method', 'type: input\n    requests: { a: { method: tools/call } }', 'invalid_value'],
    ['transfer without target', 'type: transfer\n    source: {}', 'missing_field'],
    ['data that is a list', 'type: python\n    code: x\n    data: [1]', 'invalid_type'],
    ['a key that next does not have', 'next: [{ step: start, condition: x }]', 'invalid_next'],
    ['a step that is not there', 'next: nowhere', 'unknown_step'],
    ['retry as a word', 'type: python\n    code: x\n    retry: often', 'invalid_retry'],
    ['end_loop', 'end_loop: x', 'unsupported_construct'],
    ['a join of more than lead there', 'join: 2', 'invalid_join'],
    ['workflow without path', 'type: workflow', 'missing_field'],
    ['vars as a list', 'vars: [a]', 'invalid_type'],
    ['as with a blank', 'as: "a b"', 'invalid_value'],
    ['timeout of nothing', 'type: python\n    code: x\n    timeout: 0', 'invalid_value'],
    ['a save to an unknown place', 'save: { storage: moon }', 'invalid_value'],
    ['a save to postgres without a table', 'save: { storage: postgres }', 'missing_field'],
    ['a save with an unknown mode', 'save: { storage: postgres, table: t, mode: melt }', 'invalid_value'],
    ['a container', 'type: container\n    image: x', null],
    ['an approval by nobody', 'type: approval\n    title: x', 'missing_field'],
    ['a save to s3', 'save: { storage: s3 }', null],
    ['a stray key', 'colour: red', null],
  ])('says what becomes of %s', (_name, text, code) => {
    const { errors } = parsePlaybook(`apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: d, path: d }\nworkflow:\n  - step: start\n    ${text}\n`); // prettier-ignore
    expect(errors.map((error) => error.code)).toEqual(code === null ? [] : expect.arrayContaining([code]));
  });
});

/** Fields and words that look like codes. */
const NO_CODES = ['on_error', 'retry_when', 'max_attempts', 'initial_delay', 'retry_delay', 'backoff_multiplier', 'max_delay', 'stop_when', 'retry_on', 'next_call', 'use_auth', 'catalog_path', 'event_log', 'return_step', 'item_index']; // prettier-ignore
