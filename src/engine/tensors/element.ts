import { type Json } from '../values.js';
import { type Datatype } from './tensor.js';

const bits = (width: number): readonly [bigint, bigint] => [0n, 2n ** BigInt(width) - 1n];
const signedBits = (width: number): readonly [bigint, bigint] => [-(2n ** BigInt(width - 1)), 2n ** BigInt(width - 1) - 1n];

const INTEGERS: Readonly<Partial<Record<Datatype, readonly [least: bigint, most: bigint]>>> = {
  UINT8: bits(8),
  UINT16: bits(16),
  UINT32: bits(32),
  UINT64: bits(64),
  INT8: signedBits(8),
  INT16: signedBits(16),
  INT32: signedBits(32),
  INT64: signedBits(64),
};
/** The largest finite value of each. */
const FLOATS: Readonly<Partial<Record<Datatype, number>>> = { FP16: 65_504, FP32: 3.4028234663852886e38, FP64: Number.MAX_VALUE };
const DIGITS = /^-?\d{1,20}$/;
/** As readers of JSON give back what a double does not hold exactly. */
const LONG_DIGITS = /^-?\d{16,400}$/;

/** An element as tensors hold it; undefined where the value is none of the type. */
export type ReadElement = (value: Json) => Json | undefined;

/** Reads elements of one type: no text is taken for a number, no number for a boolean, nothing is rounded or cut. */
export function elementsOf(datatype: Datatype): ReadElement {
  if (datatype === 'BOOL') return (value) => (typeof value === 'boolean' ? value : undefined);
  if (datatype === 'BYTES') return (value) => (typeof value === 'string' ? value : undefined);
  const most = FLOATS[datatype];
  if (most !== undefined) return (value) => float(value, most);
  const [low, high] = INTEGERS[datatype]!;
  const [least, greatest] = [Number(low), Number(high)];
  const isWide = high > BigInt(Number.MAX_SAFE_INTEGER);
  return (value) => {
    if (typeof value === 'number') return Number.isSafeInteger(value) && value >= least && value <= greatest ? value : undefined;
    if (!isWide || typeof value !== 'string' || !DIGITS.test(value)) return undefined;
    const whole = BigInt(value);
    if (whole < low || whole > high) return undefined;
    return Number.isSafeInteger(Number(whole)) ? Number(whole) : String(whole);
  };
}

/** What elements of a type are, for messages. */
export function describeElement(datatype: Datatype): string {
  if (datatype === 'BOOL') return 'true or false';
  if (datatype === 'BYTES') return 'text';
  const range = INTEGERS[datatype];
  return range ? `a whole number from ${range[0]} to ${range[1]}` : `a finite number of ${datatype}`;
}

function float(value: Json, most: number): number | undefined {
  const number = typeof value === 'string' && LONG_DIGITS.test(value) ? Number(value) : value;
  return typeof number === 'number' && Math.abs(number) <= most ? number : undefined;
}
