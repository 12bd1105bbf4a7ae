import { inferInputSchema } from './inferred-schema.js';

describe(inferInputSchema.name, () => {
  it('says the types of plain defaults, and nothing of what a template comes to', () => {
    const workload = {
      n: 1,
      s: 'a',
      b: true,
      list: [1],
      map: { deep: '{{ x }}' },
      none: null,
      computed: '{{ now() }}',
      long: 'x'.repeat(2_000),
    };
    expect(inferInputSchema(workload)).toEqual({
      type: 'object',
      properties: {
        n: { type: 'number', default: 1 },
        s: { type: 'string', default: 'a' },
        b: { type: 'boolean', default: true },
        list: { type: 'array', default: [1] },
        map: { type: 'object' },
        none: { default: null },
        computed: {},
        long: { type: 'string' },
      },
    });
  });
});
