import { type Json, type JsonObject } from '../values.js';
import { element, isRefusedName } from './access.js';
import { type Evaluator, type Frame, Locals } from './frame.js';
import { TemplateReference } from './scope.js';
import { TemplateError } from './template-error.js';

/** What {% macro %} and {% call %} compile to. */
export interface MacroForm {
  /** Null of the block of a {% call %}. */
  readonly name: string | null;
  readonly parameters: readonly { readonly name: string; readonly fallback: Evaluator | null }[];
  readonly text: (frame: Frame) => string;
  /** What is nested in it at most. */
  readonly height: number;
  /** It mentions caller, varargs or kwargs: without that they may not be given. */
  readonly takesCaller: boolean;
  readonly takesRest: boolean;
  readonly takesNamed: boolean;
}

/** A macro where it was defined: it sees the names around it as they are when it runs. To all but calls it is its name. */
export class Macro extends TemplateReference {
  constructor(
    private readonly form: MacroForm,
    private readonly closure: Locals | undefined,
  ) {
    super();
  }

  override get isCallable(): boolean {
    return true;
  }

  get(key: string | number): unknown {
    return key === 'name' ? this.form.name : undefined;
  }

  unwrap(): Json {
    return this.form.name === null ? '<Macro anonymous>' : `<Macro '${this.form.name}'>`;
  }

  /** The text it makes. Throws TemplateError. */
  call(positional: readonly unknown[], named: Map<string, unknown>, frame: Frame): string {
    const { form } = this;
    frame.rendering.spend(1 + form.parameters.length + positional.length + named.size);
    const locals = this.bound(positional, named);
    return frame.called(form.height, () =>
      frame.within(locals, () => {
        form.parameters.forEach(({ name, fallback }, index) => {
          if (fallback !== null && index >= positional.length && !named.has(name)) locals.set(name, fallback(frame));
        });
        return form.text(frame);
      }),
    );
  }

  /** As in Jinja: what is not given is undefined here, whatever the name means around the macro. */
  private bound(positional: readonly unknown[], named: ReadonlyMap<string, unknown>): Locals {
    const { parameters, takesCaller, takesRest, takesNamed } = this.form;
    const locals = new Locals(this.closure);
    const others = new Map(named);
    parameters.forEach(({ name }, index) => {
      if (index < positional.length) return locals.set(name, positional[index]);
      locals.set(name, others.get(name));
      others.delete(name);
    });
    if (takesCaller) {
      locals.set('caller', others.get('caller'));
      others.delete('caller');
    }
    if (takesRest) locals.set('varargs', positional.slice(parameters.length).map(element));
    else if (positional.length > parameters.length) throw this.refused(`takes at most ${parameters.length} arguments`);
    if (takesNamed) locals.set('kwargs', mappingOf(others));
    const [unknown] = takesNamed ? [] : others.keys();
    if (unknown === 'caller') throw this.refused('does not use caller, and so cannot be called by {% call %}');
    if (unknown !== undefined) throw this.refused(`has no argument ${unknown.slice(0, 40)} left`);
    return locals;
  }

  private refused(why: string): TemplateError {
    const { name } = this.form;
    return new TemplateError(`${name === null ? 'The block of a {% call %}' : `The macro ${name.slice(0, 40)}`} ${why}.`);
  }
}

function mappingOf(values: ReadonlyMap<string, unknown>): JsonObject {
  const mapping: JsonObject = {};
  for (const [name, value] of values) {
    if (isRefusedName(name)) throw new TemplateError(`The name ${name} is refused.`);
    mapping[name] = element(value);
  }
  return mapping;
}
