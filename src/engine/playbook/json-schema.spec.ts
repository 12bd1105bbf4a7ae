import { type Json } from '../values.js';
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
    ['what is missing', {}, ['']],
    ['another type', 'text', ['']],
  ])('%s', (_name, value, pointers) => {
    expect(
      compileJsonSchema(schema)
        .issuesOf(value)
        .map(({ pointer }) => pointer),
    ).toEqual(pointers);
  });

  it('matches patterns in linear time', () => {
    expect(compileJsonSchema({ pattern: '^(a+)+$' }).issuesOf(`${'a'.repeat(50_000)}b`)).toHaveLength(1);
  });

  it.each<[string, Json]>([
    ['no mapping', 'text'],
    ['an unknown type', { type: 'strange' }],
    ['a pattern that RE2 does not have', { pattern: '(?=a)' }],
    ['a reference to another document', { $ref: 'https://example.com/schema' }],
    ['an asynchronous one', { $async: true, type: 'string' }],
    ['too long', { description: 'x'.repeat(70_000) }],
  ])('refuses %s', (_name, value) => {
    expect(() => compileJsonSchema(value)).toThrow(expect.objectContaining({ code: 'invalid_schema' }));
  });
});
