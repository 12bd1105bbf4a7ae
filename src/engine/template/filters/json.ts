import { type Json } from '../../values.js';
import { element } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { jsonTextOf, kindOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { TemplateError } from '../template-error.js';
import { integerArgument } from './arguments.js';

const MAX_INDENT = 10;
const MAX_DEPTH = 64;

/** Compact and valid; quotes and angle brackets stay as they are, because the text goes into JSON and SQL, not into HTML. */
const toJson = filter(['indent'], (value, [indent], { rendering }) => {
  const width = Math.max(0, Math.min(integerArgument(indent, 'indent', 0), MAX_INDENT));
  return jsonTextOf(element(value), rendering, width);
});

const fromJson = filter([], (value, _args, { rendering }) => {
  const text = element(value);
  if (typeof text !== 'string') throw new TemplateError(`fromjson needs a text, not ${kindOf(text)}.`);
  rendering.spendText(text.length);
  return checked(parsed(text), rendering, 0);
});

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new TemplateError('fromjson: the text is not JSON.');
  }
}

/** What the door refuses in request bodies is refused here too. */
function checked(value: Json, rendering: Rendering, depth: number): Json {
  rendering.spend(1);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TemplateError('fromjson: a number is too large.');
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) throw new TemplateError(`fromjson: the JSON is nested deeper than ${MAX_DEPTH} levels.`);
  if (Object.hasOwn(value, '__proto__')) throw new TemplateError('fromjson: the key __proto__ is refused.');
  for (const item of Object.values(value)) checked(item as Json, rendering, depth + 1);
  return value;
}

/** For people: on one line where that is short. */
const pprint = filter([], (value, _args, { rendering }) => {
  const text = jsonTextOf(element(value), rendering);
  return text.length > 80 ? jsonTextOf(element(value), rendering, 2) : text;
});

export const JSON_FILTERS: Filters = { pprint, tojson: toJson, to_json: toJson, fromjson: fromJson, from_json: fromJson };
