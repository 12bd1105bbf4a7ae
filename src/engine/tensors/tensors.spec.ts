import { isObject, type Json, type JsonObject } from '../values.js';
import { batchesOfTensors, joinBatches, rowsOfBatches } from './batches.js';
import { checkOutputs, readTensors, readTypedTensors } from './read-tensors.js';
import { type Datatype, nestedOf, type Tensor, type TensorRule } from './tensor.js';

const rule = (datatype: Datatype, shape: (number | string)[], more: Partial<TensorRule> = {}): TensorRule => ({
  name: 'x',
  key: 'x',
  datatype,
  shape,
  optional: false,
  ...more,
});
const read = (rules: readonly TensorRule[], inputs: object) => readTensors(rules, inputs as JsonObject, true);
const found = ({ issues }: { issues: readonly { pointer?: string; message: string }[] }): string[] =>
  issues.map(({ pointer, message }) => `${pointer} ${message}`);

describe(readTensors.name, () => {
  it.each<[string, TensorRule, Json, number[], Json[]]>([
    ['nested lists', rule('INT64', [-1, 2]), [[1, 2], [3, 4]], [2, 2], [1, 2, 3, 4]], // prettier-ignore
    ['a row with its shape', rule('FP32', [-1, 2]), { shape: [2, 2], data: [1, 2, 3, 4.5] }, [2, 2], [1, 2, 3, 4.5]],
    ['nested lists with their shape', rule('FP32', [2, 1]), { shape: [2, 1], data: [[1], [2]] }, [2, 1], [1, 2]],
    ['a row of one column', rule('FP32', [-1, 1]), { datatype: 'FP32', shape: [2, 1], data: [1, 2] }, [2, 1], [1, 2]],
    ['a scalar', rule('BOOL', []), false, [], [false]],
    ['a scalar in a list', rule('BOOL', []), { shape: [], data: [true] }, [], [true]],
    ['texts', rule('BYTES', [-1]), ['a', ''], [2], ['a', '']],
    ['none at all', rule('FP32', [-1, 3]), [], [0, 0], []],
    ['a whole number beyond what a double holds', rule('INT64', [1]), ['9223372036854775807'], [1], ['9223372036854775807']],
    ['a large float, as readers of exact JSON give it', rule('FP64', [1]), ['100000000000000000000'], [1], [1e20]],
    ['digits that a double holds', rule('UINT64', [1]), ['17'], [1], [17]],
    ['the largest of a half', rule('FP16', [1]), [-65504], [1], [-65504]],
    ['a size by its name', rule('INT8', ['n', 'n']), [[1, 2], [3, 4]], [2, 2], [1, 2, 3, 4]], // prettier-ignore
  ])('reads %s', (_name, one, value, shape, data) => {
    const { tensors, issues } = read([one], { x: value });
    expect([issues, tensors]).toEqual([[], [{ name: 'x', datatype: one.datatype, shape, data }]]);
  });

  it.each<[string, TensorRule, Json | undefined, string]>([
    ['nothing', rule('FP32', [2]), undefined, '/x is missing: the model needs the tensor "x", FP32 [2]'],
    ['too few dimensions', rule('FP32', [-1, 2]), [1, 2], '/x has the shape [2], and must have [any, 2]'],
    ['too many', rule('FP32', [-1]), [[1]], '/x has the shape [1, 1], and must have [any]'],
    ['another size', rule('FP32', [-1, 3]), [[1, 2]], '/x has the shape [1, 2], and must have [any, 3]'],
    ['lists of different lengths', rule('FP32', [-1, -1]), [[1, 2], [3]], '/x/1 must be a list of 2, as its shape [2, 2] says'], // prettier-ignore
    ['an element among lists', rule('FP32', [-1, -1]), [[1, 2], 3], '/x/1 must be a list of 2, as its shape [2, 2] says'], // prettier-ignore
    ['a list among elements', rule('FP32', [-1]), [1, [2]], '/x/1 must be a finite number of FP32'],
    ['a row that is too short', rule('FP32', [-1, 2]), { shape: [2, 2], data: [1, 2, 3] }, '/x/data must be a list of 2, as its shape [2, 2] says'],
    ['elements without a place', rule('FP32', [-1]), { shape: [0], data: [1] }, '/x/data has elements, and its shape has none'],
    ['a shape that is none', rule('FP32', [-1]), { shape: [-1], data: [1] }, '/x/shape must be a list of at most 16 sizes'],
    ['a shape that cannot be counted', rule('FP32', [-1, -1]), { shape: [2 ** 40, 2 ** 40], data: [] }, '/x/data must be a list of 1099511627776, as its shape [1099511627776, 1099511627776] says'],
    ['another datatype', rule('FP32', [1]), { datatype: 'INT64', shape: [1], data: [1] }, '/x/datatype is "INT64", and must be FP32'],
    ['a mapping', rule('FP32', [1]), { a: 1 }, '/x must be lists of elements, or {shape, data}: FP32 [1]'],
    ['a size that differs', rule('INT8', ['n', 'n']), [[1, 2]], '/x has the shape [1, 2], and must have [n, n]'],
    ['text for a number', rule('FP32', [1]), ['1'], '/x/0 must be a finite number of FP32'],
    ['a number for text', rule('BYTES', [1]), [1], '/x/0 must be text'],
    ['a number for a boolean', rule('BOOL', [1]), [1], '/x/0 must be true or false'],
    ['null', rule('FP64', [2]), [1, null], '/x/1 must be a finite number of FP64'],
    ['a fraction', rule('INT32', [1]), [1.5], '/x/0 must be a whole number from -2147483648 to 2147483647'],
    ['too large a number', rule('UINT8', [2]), [255, 256], '/x/1 must be a whole number from 0 to 255'],
    ['a negative one', rule('UINT32', [1]), [-1], '/x/0 must be a whole number from 0 to 4294967295'],
    ['digits beyond the type', rule('INT64', [1]), ['9223372036854775808'], '/x/0 must be a whole number from -9223372036854775808 to 9223372036854775807'],
    ['too large a float', rule('FP32', [1]), [1e39], '/x/0 must be a finite number of FP32'],
    ['too large a half', rule('FP16', [1]), [65_505], '/x/0 must be a finite number of FP16'],
  ])('refuses %s', (_name, one, value, message) => {
    const reading = read([one], value === undefined ? {} : { x: value });
    expect(found(reading)[0]).toBe(message);
    expect(reading.issues[0]?.code).toBe('invalid_tensor');
  }); // prettier-ignore

  it('takes tensors by their keys, leaves out what is optional, and refuses what nobody asked for', () => {
    const rules = [
      rule('BYTES', ['batch'], { name: 'input-0', key: 'texts' }),
      rule('FP32', ['batch'], { name: 'w', key: 'w', optional: true }),
    ];
    expect(read(rules, { texts: ['a'], w: null })).toMatchObject({ issues: [], tensors: [{ name: 'input-0' }] });
    expect(found(read(rules, { texts: ['a'], w: [1, 2], constructor: 1 }))).toEqual([
      '/w has the shape [2], and must have [batch] (batch is 1)',
      '/constructor is no tensor that the model takes',
    ]);
    expect(readTensors(rules, { texts: ['a'], lang: 'en' }, false).issues).toEqual([]);
  });

  it('stops after twenty findings', () => expect(read([rule('BOOL', [-1])], { x: Array(1_000).fill(1) }).issues).toHaveLength(20));
});

describe(readTypedTensors.name, () => {
  it('believes what each says of itself, and checks it', () => {
    expect(readTypedTensors({ a: { datatype: 'FP32', shape: [2], data: [1, 2] } })).toEqual({
      issues: [],
      tensors: [{ name: 'a', datatype: 'FP32', shape: [2], data: [1, 2] }],
    });
    expect(found(readTypedTensors({ a: [1], b: { datatype: 'FP99', shape: [1], data: [1] }, c: { datatype: 'BOOL', shape: [2], data: [true] } }))).toEqual([
      '/a must be {datatype, shape, data}: nothing says what this tensor is',
      '/b must be {datatype, shape, data}: nothing says what this tensor is',
      '/c/data must be a list of 2, as its shape [2] says',
    ]); // prettier-ignore
  });
});

describe(checkOutputs.name, () => {
  const taken = {
    rules: [rule('BYTES', ['batch'], { name: 'text' })],
    tensors: [{ name: 'text', datatype: 'BYTES', shape: [2], data: ['a', 'b'] }] as Tensor[],
  };
  const label = rule('INT64', ['batch'], { name: 'label' });
  it.each<[string, JsonObject[], string[]]>([
    ['as many as were asked', [{ name: 'label', datatype: 'INT64', shape: [2], data: [1, 0], parameters: null }], []],
    ['another number', [{ name: 'label', datatype: 'INT64', shape: [1], data: [1] }], ['/0/shape has the shape [1], and must have [batch] (batch is 2)']],
    ['another type', [{ name: 'label', datatype: 'FP32', shape: [2], data: [1, 0] }], ['/0/datatype is "FP32", and must be INT64']],
    ['none of that name', [{ name: 'other' }], [' has no tensor "label"']],
    ['no data', [{ name: 'label', datatype: 'INT64', shape: [2] }], ['/0 must be lists of elements, or {shape, data}: INT64 [batch]']],
  ])('looks at %s', (_name, given, issues) => expect(found(checkOutputs([label], given, taken))).toEqual(issues)); // prettier-ignore
});

describe(nestedOf.name, () => {
  it.each<[number[], Json[], Json]>([
    [[], [5], 5],
    [[3], [1, 2, 3], [1, 2, 3]],
    [
      [2, 1, 2],
      [1, 2, 3, 4],
      [[[1, 2]], [[3, 4]]],
    ],
    [[1_000_000_000, 0], [], []],
  ])('of shape %j', (shape, data, nested) => expect(nestedOf({ shape, data })).toEqual(nested));
});

describe('batches', () => {
  const rules = [rule('FP32', [-1, 2], { name: 'a' }), rule('FP32', [1], { name: 'w' })];
  const { tensors } = read(rules.map((one) => ({ ...one, key: one.name })), { a: [[1, 2], [3, 4], [5, 6]], w: [9] }); // prettier-ignore

  it('are cut along the first dimension where it is free, and joined again', () => {
    const batches = batchesOfTensors(rules, tensors, 2)!;
    expect(batches.map((batch) => batch.map(({ shape, data }) => [shape, data]))).toEqual([
      [[[2, 2], [1, 2, 3, 4]], [[1], [9]]],
      [[[1, 2], [5, 6]], [[1], [9]]],
    ]); // prettier-ignore
    expect(rowsOfBatches(batches)).toEqual([2, 1]);
    expect(joinBatches(batches.map((batch) => batch.slice(0, 1)), [2, 1])).toEqual(tensors.slice(0, 1)); // prettier-ignore
    expect(joinBatches(batches, [2, 1])).toBeNull(); // w has one row in each
  });

  it('are one where nothing has to be cut, and none where sizes differ', () => {
    expect(batchesOfTensors(rules, tensors, null)).toEqual([tensors]);
    expect(batchesOfTensors(rules, tensors, 3)).toEqual([tensors]);
    const free = rules.map((one) => ({ ...one, shape: [-1, ...one.shape.slice(1)] }));
    expect(batchesOfTensors(free, tensors, 2)).toBeNull();
    expect(isObject(tensors[0])).toBe(true);
  });
});
