import { type Json, type JsonObject } from '../values.js';
import { element, settled } from './access.js';
import { type LanguageFunction } from './operation.js';
import { Namespace } from './namespace.js';
import { TemplateError } from './template-error.js';

/** Version 4, from the injected randomness: a replay with the same randomness yields the same id. */
function uuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  const variant = '89ab'[Math.floor(random() * 4)] ?? '8';
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function integerArgument(value: unknown): number | undefined {
  const plain = settled(value);
  if (plain === undefined) return undefined;
  if (typeof plain !== 'number' || !Number.isInteger(plain)) throw new TemplateError('range is about integers.');
  return plain;
}

const makeUuid: LanguageFunction = { parameters: [], call: (_args, { rendering }) => uuid(() => rendering.world.random()) };

/** All functions a template can call; nothing else is callable. */
export const FUNCTIONS: ReadonlyMap<string, LanguageFunction> = new Map<string, LanguageFunction>([
  ['now', { parameters: [], call: (_args, { rendering }) => rendering.world.now }],
  ['today', { parameters: [], call: (_args, { rendering }) => rendering.world.now.slice(0, 10) }],
  ['uuid', makeUuid],
  ['generate_uuid', makeUuid],
  ['get_snowflake_id', { parameters: [], call: (_args, { rendering }) => rendering.world.nextId() }],
  ['range', {
    parameters: ['start', 'stop', 'step'],
    call: (args, { rendering }) => {
      const [first, second, third] = args.map(integerArgument);
      if (first === undefined) throw new TemplateError('range needs a number.');
      const [start, stop] = second === undefined ? [0, first] : [first, second];
      const step = third ?? 1;
      if (step === 0) throw new TemplateError('The step of range cannot be 0.');
      const length = Math.max(0, Math.ceil((stop - start) / step));
      rendering.spend(length);
      return Array.from({ length }, (_, index) => start + index * step);
    },
  }],
  ['namespace', { parameters: ['pairs'], anyName: true, call: ([pairs, named]) => new Namespace(dict(pairs, named as JsonObject)) }],
  ['dict', { parameters: ['pairs'], anyName: true, call: ([pairs, named]) => dict(pairs, named as JsonObject) }],
]); // prettier-ignore

/** From a mapping, a list of pairs, and named arguments, which win. */
function dict(pairs: unknown, named: JsonObject): JsonObject {
  const source: Json = element(pairs);
  if (source === null) return named;
  const entries = Array.isArray(source) ? source.map(pair) : typeof source === 'object' ? Object.entries(source) : undefined;
  if (entries === undefined) throw new TemplateError('dict needs a mapping or a list of pairs.');
  return { ...Object.fromEntries(entries), ...named };
}

function pair(item: Json): [string, Json] {
  if (!Array.isArray(item) || item.length !== 2) throw new TemplateError('dict needs pairs of a key and a value.');
  const [key, value] = item;
  if (typeof key !== 'string' || key === '__proto__') throw new TemplateError('A key of a mapping is a text other than __proto__.');
  return [key, element(value)];
}
