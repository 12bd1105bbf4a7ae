import { type Filter } from '../operation.js';
import { DATE_FILTERS } from './dates.js';
import { ENCODING_FILTERS } from './encodings.js';
import { JSON_FILTERS } from './json.js';
import { LIST_FILTERS } from './lists.js';
import { MARKUP_FILTERS } from './markup.js';
import { NUMBER_FILTERS } from './numbers.js';
import { TEXT_FILTERS } from './text.js';
import { VALUE_FILTERS } from './values.js';

/** All filters of the language, by name. */
export const FILTERS: ReadonlyMap<string, Filter> = new Map(
  [VALUE_FILTERS, TEXT_FILTERS, NUMBER_FILTERS, LIST_FILTERS, JSON_FILTERS, MARKUP_FILTERS, ENCODING_FILTERS, DATE_FILTERS].flatMap(
    (family) => Object.entries(family),
  ),
);
