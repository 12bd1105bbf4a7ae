import { element } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { kindOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { TemplateError } from '../template-error.js';
import { textArgument } from './arguments.js';

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)\s*(Z|[+-]\d{2}:?\d{2})?)?$/;
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']; // prettier-ignore
const DAY_MS = 86_400_000;

/** ISO-8601 text, UTC where it names no zone, or seconds since 1970; `now` and nothing mean the render's time. */
function dateOf(value: unknown, now: string): Date {
  const plain = element(value);
  if (typeof plain === 'number') return valid(new Date(plain * 1000));
  const text = plain === null || plain === 'now' ? now : plain;
  if (typeof text !== 'string') throw new TemplateError(`date needs an ISO text or seconds, not ${kindOf(plain)}.`);
  const [, day, time = '00:00', zone = 'Z'] = ISO.exec(text.trim()) ?? [];
  if (day === undefined) throw new TemplateError('date: the text is not an ISO-8601 date.');
  return valid(new Date(`${day}T${time}${/^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone}`));
}

function valid(date: Date): Date {
  if (Number.isNaN(date.getTime())) throw new TemplateError('date: there is no such date.');
  return date;
}

const two = (value: number) => String(value).padStart(2, '0');

/** A date in a pattern of Python. */
export function strftime(value: unknown, pattern: string, rendering: Rendering): string {
  rendering.spendText(pattern.length * 8);
  return written(dateOf(value, rendering.world.now), pattern);
}

/** In UTC; directives it does not know stay as they are. */
function written(date: Date, pattern: string): string {
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  const hour = date.getUTCHours();
  const dayOfYear = Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
  const isoDay = `${year}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  const time = `${two(hour)}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  const parts = new Map([
    ['Y', year], ['y', year.slice(-2)], ['m', two(date.getUTCMonth() + 1)], ['d', two(date.getUTCDate())], ['e', String(date.getUTCDate()).padStart(2)],
    ['H', two(hour)], ['I', two(hour % 12 || 12)], ['M', two(date.getUTCMinutes())], ['S', two(date.getUTCSeconds())],
    ['f', String(date.getUTCMilliseconds() * 1000).padStart(6, '0')], ['p', hour < 12 ? 'AM' : 'PM'], ['j', String(dayOfYear).padStart(3, '0')],
    ['A', DAYS[date.getUTCDay()] ?? ''], ['a', (DAYS[date.getUTCDay()] ?? '').slice(0, 3)], ['w', String(date.getUTCDay())],
    ['B', MONTHS[date.getUTCMonth()] ?? ''], ['b', (MONTHS[date.getUTCMonth()] ?? '').slice(0, 3)],
    ['F', isoDay], ['T', time], ['z', '+0000'], ['Z', 'UTC'], ['s', String(Math.floor(date.getTime() / 1000))], ['%', '%'],
  ]); // prettier-ignore
  return pattern.replace(/%([A-Za-z%])/g, (whole, directive: string) => parts.get(directive) ?? whole);
}

const date = filter(['format'], (value, [format], { rendering }) => {
  return strftime(value, textArgument(format, 'format', '%F'), rendering);
});

export const DATE_FILTERS: Filters = { date };
