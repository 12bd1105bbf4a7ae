import { isObject, type Json, type JsonObject } from '../../values.js';
import { charactersOf, element, itemAtPath, settled } from '../access.js';
import { type Calls, filter, type Filter, type Filters } from '../operation.js';
import { binary, equal, isTrue, itemsOf, kindOf, numberOf, order, textOf } from '../operators.js';
import { TemplateError } from '../template-error.js';
import { flagArgument, integerArgument, textArgument } from './arguments.js';

const length = filter([], (value, _args, { rendering }) => {
  const plain = settled(value);
  if (typeof plain === 'string') {
    rendering.spendText(plain.length / 16);
    return charactersOf(plain).length;
  }
  return Array.isArray(plain) ? plain.length : itemsOf(plain, rendering).length;
});

/** The value itself, or what attribute= names in it. */
const picker =
  (attribute: unknown, { rendering }: Calls) =>
  (item: Json) =>
    attribute === undefined ? item : itemAtPath(item, element(attribute), rendering);

/** A fallback is for what is undefined; null is a value. */
const orElse = (value: unknown, fallback: unknown): unknown => (value === undefined ? fallback : value);

/** As Jinja sorts: small and capital letters alike unless asked. */
function comparer(isCaseSensitive: boolean, { rendering }: Calls): (left: unknown, right: unknown) => number {
  const folded = (value: unknown) => (typeof value === 'string' && !isCaseSensitive ? value.toLowerCase() : value);
  return (left, right) => {
    rendering.spend(1);
    return order(folded(left), folded(right), rendering);
  };
}

function sorted(
  items: readonly Json[],
  key: (item: Json) => unknown,
  compare: (left: unknown, right: unknown) => number,
  isReversed: boolean,
): Json[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  keyed.sort((left, right) => (isReversed ? compare(right.key, left.key) : compare(left.key, right.key)));
  return keyed.map(({ item }) => item);
}

const sort = filter(['reverse', 'case_sensitive', 'attribute'], (value, [reverse, caseSensitive, attribute], calls) => {
  const paths = attribute === undefined ? [undefined] : String(element(attribute)).split(',');
  const keys = paths.map((path) => picker(path?.trim(), calls));
  const key = keys.length === 1 && keys[0] !== undefined ? keys[0] : (item: Json) => keys.map((pick) => element(pick(item)));
  return sorted(itemsOf(value, calls.rendering), key, comparer(flagArgument(caseSensitive), calls), flagArgument(reverse));
});

const unique = filter(['case_sensitive', 'attribute'], (value, [caseSensitive, attribute], calls) => {
  const { rendering } = calls;
  const pick = picker(attribute, calls);
  const seenTexts = new Set<unknown>();
  const seenValues: unknown[] = [];
  return itemsOf(value, rendering).filter((item) => {
    const picked = element(pick(item));
    const key = typeof picked === 'string' && !flagArgument(caseSensitive) ? picked.toLowerCase() : picked;
    if (typeof key !== 'object' || key === null) return seenTexts.size < seenTexts.add(key).size;
    if (seenValues.some((seen) => { rendering.spend(1); return equal(seen, key, rendering); })) return false; // prettier-ignore
    return seenValues.push(key) > 0;
  });
});

const groupby = filter(['attribute', 'default', 'case_sensitive'], (value, [attribute, fallback, caseSensitive], calls) => {
  const isCaseSensitive = flagArgument(caseSensitive);
  const pick = picker(attribute, calls);
  const key = (item: Json) => element(orElse(pick(item), fallback));
  const compare = comparer(isCaseSensitive, calls);
  const groups: { readonly grouper: Json; readonly list: Json[] }[] = [];
  for (const item of sorted(itemsOf(value, calls.rendering), key, compare, false)) {
    const last = groups.at(-1);
    if (last !== undefined && compare(last.grouper, key(item)) === 0) last.list.push(item);
    else groups.push({ grouper: key(item), list: [item] });
  }
  return groups.map(({ grouper, list }) => calls.groupOf(grouper, list));
});

function extreme(sign: 1 | -1): Filter {
  return filter(['case_sensitive', 'attribute'], (value, [caseSensitive, attribute], calls) => {
    const compare = comparer(flagArgument(caseSensitive), calls);
    const pick = picker(attribute, calls);
    const items = itemsOf(value, calls.rendering);
    if (items.length === 0) return undefined;
    return items.reduce((best, item) => (sign * compare(pick(item), pick(best)) > 0 ? item : best));
  });
}

const sum = filter(['attribute', 'start'], (value, [attribute, start], calls) => {
  const { rendering } = calls;
  const pick = picker(attribute, calls);
  const first = element(start);
  if (Array.isArray(first))
    return itemsOf(value, rendering).reduce<Json>((sumSoFar, item) => binary('+', sumSoFar, pick(item), rendering), first);
  const total = itemsOf(value, rendering).reduce<number>(
    (sumSoFar, item) => {
      const number = numberOf(settled(pick(item)));
      if (number === undefined) throw new TemplateError(`sum needs numbers, not ${kindOf(pick(item))}.`);
      return sumSoFar + number;
    },
    numberOf(first) ?? 0,
  );
  if (!Number.isFinite(total)) throw new TemplateError('The sum is not a number that can be represented.');
  return total;
});

const join = filter(['d', 'attribute'], (value, [separator, attribute], calls) => {
  const { rendering } = calls;
  const pick = picker(attribute, calls);
  const glue = textOf(separator, rendering);
  let size = 0;
  const parts = itemsOf(value, rendering).map((item) => {
    const part = textOf(pick(item), rendering);
    size += part.length + glue.length;
    if (size > rendering.limits.outputCharacters + glue.length) rendering.spendText(size);
    return part;
  });
  rendering.spendText(Math.max(0, size - glue.length));
  return parts.join(glue);
});

const batch = filter(['linecount', 'fill_with'], (value, [size, fill], { rendering }) => {
  const width = integerArgument(size, 'linecount', 0);
  if (width < 1) throw new TemplateError('batch needs a size of at least 1.');
  const items = itemsOf(value, rendering);
  const rows = Array.from({ length: Math.ceil(items.length / width) }, (_, index) => items.slice(index * width, (index + 1) * width));
  const last = rows.at(-1);
  if (last !== undefined && element(fill) !== null) {
    rendering.spend(width - last.length);
    rows[rows.length - 1] = [...last, ...Array.from({ length: width - last.length }, () => element(fill))];
  }
  return rows;
});

/** So many lists of about the same length; as in Jinja, `fill_with` goes to all but the longer ones, also where there are none. */
const slice = filter(['slices', 'fill_with'], (value, [count, fill], { rendering }) => {
  const slices = integerArgument(count, 'slices', 0);
  if (slices < 1) throw new TemplateError('slice needs a number of at least 1.');
  const items = itemsOf(value, rendering);
  rendering.spend(slices);
  const [least, longer] = [Math.floor(items.length / slices), items.length % slices];
  return Array.from({ length: slices }, (_, index) => {
    const part = items.slice(index * least + Math.min(index, longer), (index + 1) * least + Math.min(index + 1, longer));
    return index >= longer && element(fill) !== null ? [...part, element(fill)] : part;
  });
});

const random = filter([], (value, _args, { rendering }) => {
  const items = itemsOf(value, rendering);
  return items[Math.floor(rendering.world.random() * items.length)];
});

const reverse = filter([], (value, _args, { rendering }) => {
  const items = itemsOf(value, rendering);
  return typeof settled(value) === 'string' ? items.toReversed().join('') : items.toReversed();
});

function mappingOf(value: unknown, name: string): JsonObject {
  const plain = settled(value);
  if (plain === undefined) return {};
  if (!isObject(plain)) throw new TemplateError(`${name} needs a mapping, not ${kindOf(plain)}.`);
  return plain;
}

const dictsort = filter(['case_sensitive', 'by', 'reverse'], (value, [caseSensitive, by, isReversed], calls) => {
  const side = textArgument(by, 'by', 'key');
  if (side !== 'key' && side !== 'value') throw new TemplateError("dictsort sorts by 'key' or 'value'.");
  const pairs = Object.entries(mappingOf(value, 'dictsort'));
  calls.rendering.spend(pairs.length);
  const compare = comparer(flagArgument(caseSensitive), calls);
  return sorted(pairs, (pair) => element((pair as Json[])[side === 'key' ? 0 : 1]), compare, flagArgument(isReversed));
});

const items = filter([], (value, _args, { rendering }) => {
  const pairs = Object.entries(mappingOf(value, 'items'));
  rendering.spend(pairs.length);
  return pairs;
});

/** map(attribute='a.b', default=0) picks; map('upper') and map('sum', attribute='price') apply a filter with what else is given. */
const map = filter(['filter'], (value, [name, named, ...args], calls) => {
  const source = itemsOf(value, calls.rendering);
  calls.rendering.spend(source.length);
  const given = named as JsonObject;
  if (name === undefined && Object.hasOwn(given, 'attribute')) {
    const { attribute, default: fallback, ...others } = given;
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new TemplateError(`map has no argument ${unknown.slice(0, 40)}.`);
    return source.map((item) => element(orElse(picker(attribute, calls)(item), fallback)));
  }
  const filterName = textArgument(name, 'filter');
  return source.map((item) => element(calls.applyFilter(filterName, item, args, given)));
}, { anyName: true, rest: true }); // prettier-ignore

function choosing(isKept: boolean, byAttribute: boolean): Filter {
  const parameters = byAttribute ? ['attribute', 'test'] : ['test'];
  return filter(parameters, (value, args, calls) => {
    const attribute = byAttribute ? args[0] : undefined;
    const [name, ...rest] = byAttribute ? args.slice(1) : args;
    if (byAttribute && attribute === undefined) throw new TemplateError('The name of the attribute is missing.');
    const pick = picker(attribute, calls);
    const test = name === undefined ? undefined : textArgument(name, 'test');
    return itemsOf(value, calls.rendering).filter((item) => {
      const picked = pick(item);
      return (test === undefined ? isTrue(picked) : calls.applyTest(test, picked, rest)) === isKept;
    });
  }, { rest: true }); // prettier-ignore
}

export const LIST_FILTERS: Filters = {
  length,
  count: length,
  list: filter([], (value, _args, { rendering }) => itemsOf(value, rendering)),
  first: filter([], (value, _args, { rendering }) =>
    Array.isArray(settled(value)) ? (settled(value) as Json[])[0] : itemsOf(value, rendering)[0],
  ),
  last: filter([], (value, _args, { rendering }) =>
    (Array.isArray(settled(value)) ? (settled(value) as Json[]) : itemsOf(value, rendering)).at(-1),
  ),
  sort,
  unique,
  groupby,
  min: extreme(-1),
  max: extreme(1),
  sum,
  join,
  batch,
  slice,
  random,
  reverse,
  dictsort,
  items,
  map,
  select: choosing(true, false),
  reject: choosing(false, false),
  selectattr: choosing(true, true),
  rejectattr: choosing(false, true),
};
