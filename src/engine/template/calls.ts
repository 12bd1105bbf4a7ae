import { type Evaluator, type Frame } from './frame.js';
import { Macro } from './macro.js';
import { type Signature } from './operation.js';
import { kindOf } from './operators.js';
import { TemplateError } from './template-error.js';

/** Arguments as written, compiled. */
export interface CompiledArguments {
  readonly positional: readonly Evaluator[];
  readonly named: readonly { readonly name: string; readonly value: Evaluator }[];
  /** Of the opening bracket or name, for messages. */
  readonly offset: number;
}

/**
 * Puts arguments in the order the signature declares; what does not fit is found here, before anything runs.
 * @param mapping of named arguments that the signature does not name
 */
export function arranged(
  name: string,
  { parameters, keywords = [], rest = false, anyName = false }: Signature,
  { positional, named, offset }: CompiledArguments,
  mapping: (others: CompiledArguments['named']) => Evaluator,
  fail: (message: string, offset: number) => Error,
): (frame: Frame) => readonly unknown[] {
  const order = [...parameters, ...keywords];
  const slots: (Evaluator | undefined)[] = order.map(() => undefined);
  const others: CompiledArguments['named'][number][] = [];
  if (positional.length > parameters.length && !rest) throw fail(`${name} takes at most ${parameters.length} arguments.`, offset);
  positional.slice(0, parameters.length).forEach((argument, index) => (slots[index] = argument));
  for (const argument of named) {
    const index = order.indexOf(argument.name);
    if (index < 0 && !anyName) throw fail(`${name} has no argument ${argument.name}.`, offset);
    if (index < 0) others.push(argument);
    else if (slots[index] !== undefined) throw fail(`The argument ${argument.name} is given twice.`, offset);
    else slots[index] = argument.value;
  }
  if (anyName) slots.push(mapping(others));
  for (const argument of positional.slice(parameters.length)) slots.push(argument);
  if (slots.every((slot) => slot === undefined)) return () => [];
  return (frame) => slots.map((slot) => slot?.(frame));
}

/** Calls what has the name when it runs: a macro, or else the function of the language. */
export function callByName(
  name: string,
  { positional, named }: CompiledArguments,
  makeCaller: ((frame: Frame) => Macro) | undefined,
  ofLanguage: Evaluator | undefined,
): Evaluator {
  return (frame) => {
    const called = frame.local(name);
    if (called instanceof Macro) {
      const values = positional.map((argument) => argument(frame));
      const namedValues = new Map<string, unknown>();
      for (const argument of named) namedValues.set(argument.name, argument.value(frame));
      if (makeCaller !== undefined) namedValues.set('caller', makeCaller(frame));
      return called.call(values, namedValues, frame);
    }
    if (ofLanguage !== undefined && makeCaller === undefined) return ofLanguage(frame);
    if (ofLanguage !== undefined) throw new TemplateError(`${name} is a function, which {% call %} cannot call.`);
    if (name === 'caller' && called === undefined) throw new TemplateError('There is no caller: the macro is not called by {% call %}.');
    throw new TemplateError(`${name} is ${called === undefined ? 'undefined' : kindOf(called)}, and cannot be called.`);
  };
}
