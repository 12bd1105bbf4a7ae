import { EngineError } from '../engine-error.js';
import { readDocument } from './read-document.js';

const HALF_MEBIBYTE = 512 * 1024;

function refusalOf(text: string): { kind: string; code: string; line?: number; column?: number } {
  try {
    readDocument(text);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { kind: error.kind, code: error.code, line: error.issues[0]?.line, column: error.issues[0]?.column };
  }
  throw new Error('was accepted');
}

/** As often as fits into the largest document, at most `times`. */
const many = (part: string, times: number): string => part.repeat(Math.min(times, Math.floor(HALF_MEBIBYTE / part.length) - 10));

describe('readDocument: what it reads', () => {
  it.each([
    ['`on` stays a word', 'on: yes\noff: no', { on: 'yes', off: 'no' }],
    ['keys that are not text', '1: a\n0.10: b\ntrue: c\n~: d\n? \n: e', { '1': 'a', '0.10': 'b', true: 'c', '~': 'd', null: 'e' }],
    ['JSON', '{"a": [1, 2.5, null, true, "x\\u00e9"]}', { a: [1, 2.5, null, true, 'xé'] }],
    ['a leading --- and comments', '# hello\n---\na: 1 # one\n', { a: 1 }],
    ['a byte order mark', '\uFEFFa: 1', { a: 1 }],
    ['an empty document behind the real one', 'a: 1\n---\n', { a: 1 }],
    ['aliases as copies', 'a: &x {k: [1]}\nb: *x\nc: &x 2\nd: *x', { a: { k: [1] }, b: { k: [1] }, c: 2, d: 2 }],
    ['a merge key', 'a: &x {b: 1, c: 2}\nd:\n  c: 3\n  <<: *x', { a: { b: 1, c: 2 }, d: { b: 1, c: 3 } }],
    [
      'several merged mappings, the first before the others',
      'a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y, {f: 4}]}',
      {
        a: { b: 1 },
        c: { b: 2, d: 3 },
        e: { b: 1, d: 3, f: 4 },
      },
    ],
    ['a key that only looks like one', '"<<": {a: 1}', { '<<': { a: 1 } }],
    [
      'a merge key in the deepest mapping',
      `a: &x {b: 1}\nc: ${'['.repeat(62)}{<<: *x}${']'.repeat(62)}`,
      {
        a: { b: 1 },
        c: JSON.parse(`${'['.repeat(62)}{"b": 1}${']'.repeat(62)}`) as unknown,
      },
    ],
    ['integers in other bases', 'a: 0x1F\nb: 0o17\nc: 017', { a: 31, b: 15, c: 17 }],
    ['the largest exact integer', 'a: 9007199254740991', { a: 9007199254740991 }],
    ['an unsafe integer as text', 'a: "9007199254740993"', { a: '9007199254740993' }],
    ['standard tags', 'a: !!str 1', { a: '1' }],
    ['names of the object prototype', 'constructor: 1\ntoString: 2', { constructor: 1, toString: 2 }],
    [
      'brackets in texts, comments and blocks',
      `a: "${'['.repeat(99)}" # ${'{'.repeat(99)}\nb: |-\n  ${'['.repeat(99)}`,
      { a: '['.repeat(99), b: '['.repeat(99) },
    ],
    ['64 levels', '['.repeat(64) + ']'.repeat(64), JSON.parse('['.repeat(64) + ']'.repeat(64))],
    ['100 aliases', `a: &x 1\nb: [${'*x,'.repeat(100)}]`, { a: 1, b: Array.from({ length: 100 }, () => 1) }],
  ])('%s', (_name, text, value) => expect(readDocument(text).value).toEqual(value));

  it('keeps what is written of a number', () => {
    expect(readDocument('metadata: {version: 0.10}').positions.sourceOf('/metadata/version')).toBe('0.10');
  });

  it('accepts exactly 512 KiB', () => {
    expect(readDocument(`a: ${'x'.repeat(HALF_MEBIBYTE - 3)}`).value).toHaveProperty('a');
    expect(refusalOf(`a: ${'x'.repeat(HALF_MEBIBYTE - 2)}`)).toMatchObject({ kind: 'too_large', code: 'document_too_large' });
    expect(refusalOf('é'.repeat(HALF_MEBIBYTE / 2 + 1)).code).toBe('document_too_large');
  });
});

describe('readDocument: what it refuses, and where', () => {
  it.each([
    ['a duplicate key', 'a: 1\nb: {c: 1,\n  c: 2}', 'invalid', 'duplicate_key', 3, 3],
    ['a duplicate key in two notations', 'a: 1\n"a": 2', 'invalid', 'duplicate_key', 2, 1],
    ['a merge key without a mapping', 'a: &x 1\nc:\n  <<: *x', 'invalid', 'unsupported_yaml', 3, 7],
    ['a merge key with a list of others', 'a: &x {b: 1}\nc:\n  <<: [*x, 2]', 'invalid', 'unsupported_yaml', 3, 7],
    ['two merge keys', 'a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x', 'invalid', 'duplicate_key', 4, 3],
    ['a mapping that is merged into itself', 'a: &x\n  <<: *x', 'invalid', 'unsupported_yaml', 2, 7],
    ['a forbidden key that is merged', 'a: {<<: {"__proto__": 1}}', 'unreadable', 'forbidden_key', 1, 10],
    ['a custom tag', 'a: !include x', 'invalid', 'unsupported_yaml', 1, 4],
    ['a tag of another kind', 'a: !!binary aGk=', 'invalid', 'unsupported_yaml', 1, undefined],
    ['two documents', 'a: 1\n---\nb: 2', 'invalid', 'unsupported_yaml', 3, 1],
    ['an unquoted template', 'a: {{ x }}', 'invalid', 'unsupported_yaml', 1, 5],
    ['an alias that contains itself', 'a: &x [*x]', 'invalid', 'unsupported_yaml', 1, 8],
    ['101 aliases', `a: &x 1\nb: [${'*x,'.repeat(101)}]`, 'invalid', 'unsupported_yaml', 2, undefined],
    ['an alias to nothing', 'a: *x', 'unreadable', 'malformed_yaml', 1, 4],
    ['__proto__', 'a: {"__proto__": 1}', 'unreadable', 'forbidden_key', 1, 5],
    ['NUL', 'a: 1\nb: x\0', 'unreadable', 'invalid_unicode', 2, 5],
    ['NUL as an escape', 'a: "\\0"', 'unreadable', 'invalid_unicode', 1, 4],
    ['a lone surrogate', 'a: x\ud800', 'unreadable', 'invalid_unicode', 1, 5],
    ['a lone surrogate as an escape', '{"a": "\\ud800"}', 'unreadable', 'invalid_unicode', 1, 7],
    ['an integer beyond what is exact', 'a: 9007199254740993', 'unreadable', 'unsafe_number', 1, 4],
    ['a number beyond everything', 'a: 1e999', 'unreadable', 'unsafe_number', 1, 4],
    ['a number that is none', 'a: .nan', 'unreadable', 'unsafe_number', 1, 4],
    ['broken syntax', 'a: [1, 2\nb: 3', 'unreadable', 'malformed_yaml', 2, undefined],
    ['65 levels', '['.repeat(65) + ']'.repeat(65), 'unreadable', 'depth_exceeded', 1, undefined],
    ['UTF-16 read as latin text', Buffer.from('a: 1', 'utf16le').toString('latin1'), 'unreadable', 'invalid_unicode', 1, 2],
  ])('%s', (_name, text, kind, code, line, column) => {
    const refusal = refusalOf(text);
    expect(refusal).toMatchObject({ kind, code, line });
    if (column !== undefined) expect(refusal.column).toBe(column);
  });
});

describe('readDocument: bombs are refused, never crash the process, and cost one pass', () => {
  const sizes = [100, 10_000, 1_000_000];
  const bombs: [string, (times: number) => string, string[]][] = [
    ['flow lists', (n) => many('[', n), ['depth_exceeded']],
    ['flow mappings', (n) => many('{a: ', n), ['depth_exceeded']],
    ['flow pairs', (n) => many('[a: ', n), ['depth_exceeded']],
    ['block lists', (n) => many('- ', n), ['depth_exceeded']],
    ['explicit keys', (n) => many('? ', n), ['depth_exceeded']],
    ['block mappings', (n) => Array.from({ length: Math.min(n, 1_000) }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), ['depth_exceeded']],
    ['closing brackets', (n) => many(']', n), ['malformed_yaml']],
    ['anchors', (n) => many('&a ', n), ['malformed_yaml', 'too_many_nodes']],
    ['tags', (n) => many('!!str ', n), ['malformed_yaml', 'too_many_nodes']],
    ['commas', (n) => `[${many(',', n)}`, ['malformed_yaml', 'too_many_nodes']],
    ['documents', (n) => many('---\na\n', n), ['unsupported_yaml', 'too_many_nodes']],
    ['aliases', (n) => `a: &a 1\nb: [${many('*a,', n)}1, *a, *a]`, ['unsupported_yaml', 'too_many_nodes']],
  ];
  it.each(
    bombs.flatMap(([name, make, codes]) => sizes.map((size): [string, string, string[]] => [`${name} x ${size}`, make(size), codes])),
  )('%s', (_name, text, codes) => {
    expect(codes).toContain(refusalOf(text).code);
  });

  it('counts values after aliases are copied', () => {
    const lines = ['a0: &a0 [1,1,1,1,1,1,1,1,1,1]'];
    for (let i = 1; i < 9; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(10)}]`);
    expect(refusalOf(lines.join('\n')).code).toBe('too_many_nodes');
  });

  it('counts depth after aliases are copied', () => {
    const lines = ['a0: &a0 [[[[[[[[[[1]]]]]]]]]]'];
    for (let i = 1; i < 9; i++) lines.push(`a${i}: &a${i} [[[[[[[[[[*a${i - 1}]]]]]]]]]]`);
    expect(refusalOf(lines.join('\n')).code).toBe('depth_exceeded');
  });

  it('knows the limit of 100,000 values', () => {
    // One list of n values: n + 1 nodes.
    expect(readDocument(`[${'1,'.repeat(99_999)}]`).value).toHaveLength(99_999);
    expect(refusalOf(`[${'1,'.repeat(100_000)}]`).code).toBe('too_many_nodes');
  });
});

describe('locate', () => {
  const { locate, positions } = readDocument('a: 1\nlist:\n  - x: |\n      one\n        two {{\n  - "y z"\n');
  it.each([
    ['', 1, 1],
    ['/a', 1, 1],
    ['/list', 2, 1],
    ['/list/0', 3, 5],
    ['/list/0/x', 3, 5],
    ['/list/1', 6, 5],
    ['/list/7/nothing', 2, 1],
    ['/list/0/x/deeper', 3, 5],
  ])('%s', (pointer, line, column) => expect(locate(pointer)).toEqual({ line, column }));

  it('finds places inside texts', () => {
    expect(positions.locateIn('/list/0/x', { line: 2, column: 7 })).toEqual({ line: 5, column: 13 });
    expect(positions.locateIn('/list/1', { line: 1, column: 3 })).toEqual({ line: 6, column: 8 });
  });
});
