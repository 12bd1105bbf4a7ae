import { StepFailure } from '../engine/step-executor.js';
import { type Json, type JsonObject, own } from '../engine/values.js';
import { type SqlLexer } from './sql-lexer.js';

/** Values for placeholders: a list for `%s` and `$n`, a mapping for `:name` and `%(name)s`. */
export interface Binds {
  readonly list: readonly Json[] | null;
  readonly map: JsonObject | null;
  /** The text has %s or %(name)s: then %% is a percent sign. */
  readonly usesPercent: boolean;
  /** How many of the list %s has used, over all statements. */
  used: number;
}

export type Bind =
  | { readonly kind: 'bind'; readonly value: Json; readonly length: number }
  | { readonly kind: 'text'; readonly text: string; readonly length: number };

const NUMBERED = /\$(\d{1,5})(?![\w$])/y;
const NAMED = /:([A-Za-z_]\w*)/y;
const PERCENT_NAMED = /%\(([^)]{1,200})\)s/y;
const PERCENT = /%s(?!\w)/y;

/** Reads `parameters`: null for none. Throws StepFailure where they are neither a list nor a mapping. */
export function bindsOf(parameters: Json, texts: readonly string[]): Binds | null {
  if (parameters === null) return null;
  const usesPercent = texts.some((text) => /%s|%\(/.test(text));
  if (Array.isArray(parameters)) return { list: parameters, map: null, usesPercent, used: 0 };
  if (typeof parameters === 'object') return { list: null, map: parameters, usesPercent, used: 0 };
  throw new StepFailure('invalid_parameters', 'parameters must be a list (for %s and $1) or a mapping (for :name)', { retryable: false });
}

/** The placeholder that begins here, which is code; null: there is none. Throws StepFailure where it has no value. */
export function bindAt(binds: Binds, text: string, at: number, lexer: SqlLexer): Bind | null {
  const character = text[at];
  if (lexer.mode !== 'code' || (character !== '%' && character !== '$' && character !== ':')) return null;
  if (character === '%') return percentAt(binds, text, at);
  if (lexer.word !== '') return null;
  if (character === '$') {
    const number = binds.list && match(NUMBERED, text, at);
    return number ? { kind: 'bind', value: listed(binds.list!, Number(number[1]) - 1), length: number[0].length } : null;
  }
  if (text[at - 1] === ':') return null; // a cast
  const name = binds.map && match(NAMED, text, at);
  const value = name ? own(binds.map!, name[1]!) : undefined;
  // What is no parameter may be a slice of an array.
  return name && value !== undefined ? { kind: 'bind', value, length: name[0].length } : null;
}

function percentAt(binds: Binds, text: string, at: number): Bind | null {
  if (!binds.usesPercent) return null;
  if (text[at + 1] === '%') return { kind: 'text', text: '%', length: 2 };
  if (binds.list && match(PERCENT, text, at)) {
    binds.used += 1;
    return { kind: 'bind', value: listed(binds.list, binds.used - 1), length: 2 };
  }
  const name = binds.map && match(PERCENT_NAMED, text, at);
  if (!name) return null;
  const value = own(binds.map!, name[1]!);
  if (value === undefined) throw missing(`%(${name[1]})s`);
  return { kind: 'bind', value, length: name[0].length };
}

function listed(list: readonly Json[], index: number): Json {
  const value = list[index];
  if (value === undefined) throw missing(`number ${index + 1}`);
  return value;
}

function missing(what: string): StepFailure {
  return new StepFailure('invalid_parameters', `parameters has no value for the placeholder ${what}`, { retryable: false });
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
