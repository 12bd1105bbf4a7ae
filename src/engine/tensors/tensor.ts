import { type Json, type JsonObject } from '../values.js';

/** Types of elements, as the Open Inference Protocol (v2) names them. */
export const DATATYPES = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;
export type Datatype = (typeof DATATYPES)[number];

/** Dimensions of a tensor, at most. */
export const MOST_DIMENSIONS = 16;

/** An array of one type, elements in row-major order. Integers that a double does not hold exactly are decimal texts. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly Json[];
}

/** What a tensor of a model must be. */
export interface TensorRule extends JsonObject {
  readonly name: string;
  readonly datatype: Datatype;
  /** A size; -1 for any; a name for one that is the same wherever it is named. */
  readonly shape: (number | string)[];
  /** The key of the inputs, or of the outputs, under which it stands. */
  readonly key: string;
  /** True: callers may leave it out. */
  readonly optional: boolean;
}

/** How many elements a shape has; NaN where they are more than can be counted. */
export function sizeOf(shape: readonly number[]): number {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return Number.isSafeInteger(size) ? size : NaN;
}

/** The elements as nested lists: the form in which templates read them. A tensor without elements is an empty list, whatever its shape. */
export function nestedOf({ shape, data }: Pick<Tensor, 'shape' | 'data'>): Json {
  if (shape.length === 0) return data[0] ?? null;
  if (data.length === 0) return [];
  let rows: Json[] = [...data];
  for (let axis = shape.length - 1; axis > 0; axis -= 1) {
    const width = shape[axis]!;
    rows = Array.from({ length: rows.length / width }, (_, index) => rows.slice(index * width, (index + 1) * width));
  }
  return rows;
}

export function isDatatype(word: unknown): word is Datatype {
  return DATATYPES.includes(word as Datatype);
}
