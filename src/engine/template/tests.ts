import { isObject } from '../values.js';
import { settled } from './access.js';
import { FILTERS } from './filters/registry.js';
import { type Calls, type Test } from './operation.js';
import { compare, contains, equal, numberOf } from './operators.js';
import { TemplateReference } from './scope.js';
import { TemplateError } from './template-error.js';

type Holds = (value: unknown, args: readonly unknown[], calls: Calls) => boolean;

/** A test of the plain value; undefined and references are seen only by `defined` and `undefined`. */
const plain = (holds: (value: unknown) => boolean): Test => ({ parameters: [], holds: (value) => holds(settled(value)) });
const ofText = (holds: (text: string) => boolean): Test => ({
  parameters: [],
  holds: (value, _args, { rendering }) => {
    const text = settled(value);
    if (typeof text !== 'string') return false;
    rendering.spendLook(text.length);
    return holds(text);
  },
});
const against = (holds: Holds): Test => ({ parameters: ['other'], holds });

function integer(value: unknown, name: string): number {
  const number = numberOf(settled(value));
  if (number === undefined || !Number.isInteger(number)) throw new TemplateError(`The test ${name} is about integers.`);
  return number;
}

const eq = against((value, [other], { rendering }) => equal(value, other, rendering));
const ne = against((value, [other], { rendering }) => !equal(value, other, rendering));
const lt = against((value, [other], { rendering }) => compare('<', value, other, rendering));
const le = against((value, [other], { rendering }) => compare('<=', value, other, rendering));
const gt = against((value, [other], { rendering }) => compare('>', value, other, rendering));
const ge = against((value, [other], { rendering }) => compare('>=', value, other, rendering));

/** JSON has one kind of number: integer holds for whole numbers, float for all others. */
export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['defined', { parameters: [], holds: (value) => value !== undefined }],
  ['undefined', { parameters: [], holds: (value) => value === undefined }],
  ['callable', { parameters: [], holds: (value) => value instanceof TemplateReference && value.isCallable }],
  ['none', plain((value) => value === null)],
  ['null', plain((value) => value === null)],
  ['true', plain((value) => value === true)],
  ['false', plain((value) => value === false)],
  ['boolean', plain((value) => typeof value === 'boolean')],
  ['number', plain((value) => numberOf(value) !== undefined)],
  ['integer', plain((value) => Number.isInteger(value))],
  ['float', plain((value) => typeof value === 'number' && !Number.isInteger(value))],
  ['string', plain((value) => typeof value === 'string')],
  ['mapping', plain(isObject)],
  ['sequence', plain((value) => Array.isArray(value) || typeof value === 'string' || isObject(value))],
  ['iterable', plain((value) => Array.isArray(value) || typeof value === 'string' || isObject(value))],
  ['list', plain(Array.isArray)],
  ['lower', ofText((value) => value === value.toLowerCase() && value !== value.toUpperCase())],
  ['upper', ofText((value) => value === value.toUpperCase() && value !== value.toLowerCase())],
  ['odd', { parameters: [], holds: (value) => Math.abs(integer(value, 'odd') % 2) === 1 }],
  ['even', { parameters: [], holds: (value) => integer(value, 'even') % 2 === 0 }],
  ['divisibleby', { parameters: ['num'], holds: (value, [by]) => integer(value, 'divisibleby') % divisor(by) === 0 }],
  ['in', { parameters: ['seq'], holds: (value, [container], { rendering }) => contains(container, value, rendering) }],
  ['sameas', against((value, [other]) => settled(value) === settled(other))],
  ['filter', plain((value) => typeof value === 'string' && FILTERS.has(value))],
  ['test', plain((value) => typeof value === 'string' && TESTS.has(value))],
  // Nothing is marked as markup here.
  ['escaped', plain(() => false)],
  ['eq', eq], ['equalto', eq], ['==', eq],
  ['ne', ne], ['!=', ne],
  ['lt', lt], ['lessthan', lt], ['<', lt],
  ['le', le], ['<=', le],
  ['gt', gt], ['greaterthan', gt], ['>', gt],
  ['ge', ge], ['>=', ge],
]); // prettier-ignore

function divisor(value: unknown): number {
  const number = integer(value, 'divisibleby');
  if (number === 0) throw new TemplateError('Division by zero.');
  return number;
}
