import { type Tensor } from '../../../engine/tensors/tensor.js';
import { type Json, type JsonObject } from '../../../engine/values.js';

/** ECMAScript "JSON.parse source text access", which the type library does not know yet. */
interface ExactJson {
  rawJSON(text: string): unknown;
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
}

const exact = JSON as unknown as ExactJson;
const LONG_NUMBER = /\d{16}/;
const WHOLE = /^-?\d+$/;

/** A tensor as the body of a request has it: whole numbers that a double does not hold are written as the numbers they are. */
export function wireTensor({ name, shape, datatype, data }: Tensor): JsonObject {
  const isWide = datatype === 'INT64' || datatype === 'UINT64';
  const elements = isWide ? data.map((value) => (typeof value === 'string' ? (exact.rawJSON(value) as Json) : value)) : [...data];
  return { name, shape: [...shape], datatype, data: elements };
}

/** Reads JSON; whole numbers that a double does not hold exactly become their digits. @throws SyntaxError */
export function readExactJson(text: string): Json {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text) as Json;
  return exact.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && !Number.isSafeInteger(value) && WHOLE.test(source) ? source : value,
  ) as Json;
}
