// Writes small ONNX models (https://onnx.ai/onnx/repo-docs/IR.html) without any library: protocol buffers by hand, the fields of onnx.proto3 by number.

/** Element types of onnx.proto3. */
export const ELEMENTS = { float: 1, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, double: 11 } as const;
type ElementType = keyof typeof ELEMENTS;

export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  /** Sizes, and names of those that may be any. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers, and tensors of one float. */
  readonly attributes?: Readonly<Record<string, number | { readonly float: number }>>;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** Constants of floats. */
  readonly constants?: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const IR_VERSION = 8;
const OPSET = 13;
const ATTRIBUTE = { int: 2, tensor: 4 };

function varint(value: number): Buffer {
  const bytes = [];
  let left = BigInt(value);
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return Buffer.from([...bytes, Number(left)]);
}
const number = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field: number, value: Buffer | string): Buffer => {
  const body = Buffer.from(value as string);
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
};
const message = (field: number, ...parts: readonly Buffer[]): Buffer => bytes(field, Buffer.concat(parts));

/** A TensorProto of floats. */
function floats(field: number, name: string, shape: readonly number[], data: readonly number[]): Buffer {
  const raw = Buffer.from(Float32Array.from(data).buffer);
  return message(field, ...shape.map((size) => number(1, size)), number(2, ELEMENTS.float), bytes(8, name), bytes(9, raw));
}

function valueInfo(field: number, { name, type, shape }: OnnxValue): Buffer {
  const dimensions = shape.map((size) => message(1, typeof size === 'number' ? number(1, size) : bytes(2, size)));
  return message(field, bytes(1, name), message(2, message(1, number(1, ELEMENTS[type]), message(2, ...dimensions))));
}

function node({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer {
  const written = Object.entries(attributes).map(([name, value]) =>
    typeof value === 'number'
      ? message(5, bytes(1, name), number(3, value), number(20, ATTRIBUTE.int))
      : message(5, bytes(1, name), floats(5, '', [1], [value.float]), number(20, ATTRIBUTE.tensor)),
  );
  return message(1, ...inputs.map((name) => bytes(1, name)), ...outputs.map((name) => bytes(2, name)), bytes(4, op), ...written);
}

/** The bytes of a model file. */
export function onnxFile({ nodes, constants = {}, inputs, outputs }: OnnxGraph): Buffer {
  const graph = [
    ...nodes.map(node),
    bytes(2, 'graph'),
    ...Object.entries(constants).map(([name, { shape, data }]) => floats(5, name, shape, data)),
    ...inputs.map((value) => valueInfo(11, value)),
    ...outputs.map((value) => valueInfo(12, value)),
  ];
  return Buffer.concat([number(1, IR_VERSION), bytes(2, 'showrunner-test'), message(7, ...graph), message(8, number(2, OPSET))]);
}

/** `y = x · [2, -1] + 0.5` for any number of rows. */
export const LINEAR: OnnxGraph = {
  nodes: [
    { op: 'MatMul', inputs: ['x', 'w'], outputs: ['xw'] },
    { op: 'Add', inputs: ['xw', 'b'], outputs: ['y'] },
  ],
  constants: { w: { shape: [2, 1], data: [2, -1] }, b: { shape: [1], data: [0.5] } },
  inputs: [{ name: 'x', type: 'float', shape: ['batch', 2] }],
  outputs: [{ name: 'y', type: 'float', shape: ['batch', 1] }],
};

/** Gives each tensor back as it came. */
export const ECHO: OnnxGraph = {
  nodes: (['int64', 'bool', 'string', 'float16', 'double', 'int32'] as const).map((type) => ({
    op: 'Identity',
    inputs: [type],
    outputs: [`${type}_out`],
  })),
  inputs: (['int64', 'bool', 'string', 'float16', 'double', 'int32'] as const).map((type) => ({ name: type, type, shape: ['n'] })),
  outputs: (['int64', 'bool', 'string', 'float16', 'double', 'int32'] as const).map((type) => ({
    name: `${type}_out`,
    type,
    shape: ['n'],
  })),
};

/** `y = log x`, which is no number below 0. */
export const LOGARITHM: OnnxGraph = {
  nodes: [{ op: 'Log', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', type: 'float', shape: ['n'] }],
  outputs: [{ name: 'y', type: 'float', shape: ['n'] }],
};

/** The product of two square matrices of ones, as large as it is asked: seconds of work for some thousand. */
export const WORK: OnnxGraph = {
  nodes: [
    { op: 'ConstantOfShape', inputs: ['size'], outputs: ['ones'], attributes: { value: { float: 1 } } },
    { op: 'MatMul', inputs: ['ones', 'ones'], outputs: ['product'] },
    { op: 'ReduceMax', inputs: ['product'], outputs: ['y'], attributes: { keepdims: 0 } },
  ],
  inputs: [{ name: 'size', type: 'int64', shape: [2] }],
  outputs: [{ name: 'y', type: 'float', shape: [] }],
};
