import { itemOf } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { isTrue } from '../operators.js';
import { flagArgument, textArgument } from './arguments.js';

const fallback = filter(['default_value', 'boolean'], (value, [other, boolean]) => {
  const isMissing = value === undefined || (flagArgument(boolean) && !isTrue(value));
  return isMissing ? (other === undefined ? '' : other) : value;
});

/** Marks that other layers look for; here they change nothing. */
const unchanged = filter([], (value) => value);

export const VALUE_FILTERS: Filters = {
  default: fallback,
  d: fallback,
  attr: filter(['name'], (value, [name]) => itemOf(value, textArgument(name, 'name'))),
  safe: unchanged,
  sql_raw: unchanged,
  sql_identifier: unchanged,
};
