import { type Json, type JsonObject } from '../values.js';
import { compileJsonSchema } from './json-schema.js';

const schema = {
  type: 'object',
  required: ['code'],
  properties: { code: { type: 'string', pattern: '^[a-z]+$' }, zip: { type: 'string', pattern: '^\\d{5}$' } },
  additionalProperties: false,
};

describe(compileJsonSchema.name, () => {
  it.each<[string, Json, string[]]>([
    ['what fits', { code: 'ab', zip: '01234' }, []],
    ['each pattern by itself', { code: 'ab', zip: 'ab' }, ['/zip']],
    ['the other pattern', { code: '01234' }, ['/code']],
    ['what is missing', {}, ['/code']],
    ['what is too much', { code: 'ab', 'a/b': 1 }, ['/a~1b']],
    ['all of it', { zip: 1, x: 2 }, ['/code', '/x', '/zip']],
    ['another type', 'text', ['']],
  ])('%s', (_name, value, pointers) => {
    expect(
      compileJsonSchema(schema)
        .issuesOf(value)
        .map(({ pointer }) => pointer)
        .sort(),
    ).toEqual(pointers);
  });

  it('says what is wrong with each place, once', () => {
    const { issuesOf } = compileJsonSchema({
      properties: { a: { enum: ['x', 1, null, { k: [1] }] }, b: { const: 2 } },
      items: { type: 'null' },
    });
    expect(issuesOf({ a: 'y', b: 3 })).toEqual([
      { code: 'schema_violation', pointer: '/a', message: 'must be one of "x", 1, null, {"k":[1]}' },
      { code: 'schema_violation', pointer: '/b', message: 'must be 2' },
    ]);
    expect(issuesOf({ a: { k: [1] }, b: 2 })).toEqual([]);
    expect(issuesOf(Array.from({ length: 50 }, () => 1))).toHaveLength(20);
  });

  it.each<[string, Json, number]>([
    ['equal items', [1, { b: 1, a: [2] }, { a: [2], b: 1 }], 1],
    ['items that differ', [1, '1', true, null, { a: 1 }, { a: '1' }], 0],
  ])('knows %s', (_name, items, count) => expect(compileJsonSchema({ uniqueItems: true }).issuesOf(items)).toHaveLength(count));

  it('refers to itself, by place and by anchor', () => {
    const tree = compileJsonSchema({
      $ref: '#/$defs/node',
      $defs: {
        node: { properties: { left: { $ref: '#/$defs/node' }, name: { $ref: '#name' } }, required: ['name'] },
        n: { $anchor: 'name', type: 'string' },
      },
    });
    expect(tree.issuesOf({ name: 'a', left: { name: 'b', left: { name: 1 } } }).map(({ pointer }) => pointer)).toEqual(['/left/left/name']);
  });

  const branching = (depth: number): JsonObject => ({
    anyOf: [{ $ref: '#/$defs/d0' }],
    $defs: Object.fromEntries(
      Array.from({ length: depth }, (_, at): [string, Json] => [
        `d${at}`,
        at + 1 < depth ? { anyOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] } : { type: 'null' },
      ]),
    ),
  });
  it.each<[string, JsonObject, Json]>([
    ['references that branch', branching(60), 1],
    ['a schema that refers to itself in place', { allOf: [{ $ref: '#' }] }, 1],
    ['a pattern over very much text', { items: { pattern: '^(a|b)+$' } }, Array.from({ length: 1_000 }, () => 'a'.repeat(10_000))],
    [
      'many items that are compared',
      { items: { uniqueItems: true, allOf: Array.from({ length: 400 }, () => ({ uniqueItems: true })) } },
      [Array.from({ length: 100_000 }, (_, n) => ({ n }))],
    ],
  ])('gives up in time: %s', (_name, costly, value) => {
    expect(compileJsonSchema(costly).issuesOf(value)).toEqual([
      { code: 'schema_violation', pointer: '', message: 'takes more work to check than allowed' },
    ]);
  });

  it('matches patterns in linear time', () => {
    expect(compileJsonSchema({ pattern: '^(a+)+$' }).issuesOf(`${'a'.repeat(50_000)}b`)).toHaveLength(1);
  });

  it.each<[string, Json]>([
    ['no mapping', 'text'],
    ['an unknown type', { type: 'strange' }],
    ['a pattern that RE2 does not have', { pattern: '(?=a)' }],
    ['a reference to another document', { $ref: 'https://example.com/schema' }],
    ['a reference to nothing', { $ref: '#/$defs/none' }],
    ['a reference to what is no schema', { $ref: '#/const', const: { type: 'string' } }],
    ['an identity inside', { properties: { a: { $id: 'http://a/b' } } }],
    ['too many', { allOf: Array.from({ length: 500 }, () => ({})) }],
    ['too deep', Array.from({ length: 40 }).reduce<JsonObject>((inner) => ({ items: inner }), {})],
    ['an asynchronous one', { $async: true, type: 'string' }],
    ['too long', { description: 'x'.repeat(70_000) }],
  ])('refuses %s', (_name, value) => {
    expect(() => compileJsonSchema(value)).toThrow(expect.objectContaining({ code: 'invalid_schema' }));
  });
});
