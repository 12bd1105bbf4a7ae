import { isObject, type Json, type JsonObject } from '../values.js';
import { type Rendering } from './rendering.js';
import { type Scope } from './scope.js';
import { compileTemplate, mayHoldTemplate } from './compile-template.js';

/** A value of a playbook with templates anywhere inside. Immutable. */
export interface ValueTemplate {
  /** Holds no template: render returns the value itself. */
  readonly isConstant: boolean;
  /** Root names its templates may read from the scope. */
  readonly names: ReadonlySet<string>;
  /** Throws TemplateError. What holds no template is shared with the definition and must not be changed. */
  render(scope: Scope, rendering: Rendering): Json;
}

/**
 * Compiles every text inside mappings and lists; keys and other values stay as they are. A lone expression that ends in
 * `tojson` yields the value itself here, not its text: documents write `data: "{{ x | tojson }}"` for a mapping, and the
 * language they were written for parsed such texts again. Throws TemplateSyntaxError.
 */
export function compileValue(value: Json): ValueTemplate {
  if (typeof value === 'string') return textValue(value);
  if (Array.isArray(value)) return listValue(value);
  return isObject(value) ? mappingValue(value) : constant(value);
}

function constant(value: Json): ValueTemplate {
  return { isConstant: true, names: new Set(), render: () => value };
}

function textValue(text: string): ValueTemplate {
  // Most texts hold no template at all.
  if (!mayHoldTemplate(text)) return constant(text);
  const template = compileTemplate(text);
  return { isConstant: template.isConstant, names: template.names, render: template.beforeJson ?? template.render };
}

function listValue(list: Json[]): ValueTemplate {
  const items = list.map(compileValue);
  if (items.every((item) => item.isConstant)) return constant(list);
  return { isConstant: false, names: allNames(items), render: (scope, rendering) => items.map((item) => item.render(scope, rendering)) };
}

function mappingValue(mapping: JsonObject): ValueTemplate {
  const entries = Object.entries(mapping).map(([key, value]) => [key, compileValue(value)] as const);
  const values = entries.map(([, value]) => value);
  if (values.every((value) => value.isConstant)) return constant(mapping);
  return {
    isConstant: false,
    names: allNames(values),
    render(scope, rendering) {
      const rendered: JsonObject = {};
      for (const [key, value] of entries) rendered[key] = value.render(scope, rendering);
      return rendered;
    },
  };
}

function allNames(parts: readonly ValueTemplate[]): ReadonlySet<string> {
  return new Set(parts.flatMap((part) => [...part.names]));
}
