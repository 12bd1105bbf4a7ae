import { Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { compileTemplate } from '../template/template.js';
import { type Json, type JsonObject } from '../values.js';

/** What templates of specs are told of the world: always the same. */
export const TEMPLATE_WORLD = { now: '2026-02-03T04:05:06.789Z', random: () => 0.5, nextId: () => '42' };

export const scopeOf = (values: JsonObject): Scope => ({ lookup: (name) => (Object.hasOwn(values, name) ? values[name] : undefined) });

/** How texts are rendered where these are the values. */
export const renderingWith =
  (values: JsonObject) =>
  (text: string, rendering = new Rendering(TEMPLATE_WORLD)): Json =>
    compileTemplate(text).render(scopeOf(values), rendering);
