import { element } from '../access.js';
import { isTrue, kindOf, numberOf } from '../operators.js';
import { TemplateError } from '../template-error.js';

/** A text argument, or the fallback where none was given. */
export function textArgument(value: unknown, name: string, fallback?: string): string {
  const plain = element(value);
  if (plain === null && fallback !== undefined) return fallback;
  if (typeof plain !== 'string') throw new TemplateError(`The argument ${name} is a text, not ${kindOf(plain)}.`);
  return plain;
}

/** A whole number, or the fallback where none was given. */
export function integerArgument(value: unknown, name: string, fallback: number): number {
  const plain = element(value);
  if (plain === null) return fallback;
  const number = numberOf(plain);
  if (number === undefined || !Number.isInteger(number))
    throw new TemplateError(`The argument ${name} is an integer, not ${kindOf(plain)}.`);
  return number;
}

export function flagArgument(value: unknown, fallback = false): boolean {
  return value === undefined ? fallback : isTrue(value);
}
