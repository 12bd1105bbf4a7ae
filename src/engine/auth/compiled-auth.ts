import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { compileValue, type ValueTemplate } from '../template/template.js';
import { type Json, type JsonObject, isObject } from '../values.js';
import { type AuthEntry, type AuthSpec, normaliseAuth, normaliseHandles } from './auth-spec.js';

/** Names under which templates see secrets (playbook language §10.3). */
export const SECRET_NAMES: readonly string[] = ['auth', 'credentials', 'secret', 'keychain'];

/** An `auth` whose names and fields are compiled. */
export interface CompiledAuth {
  readonly entries: readonly CompiledAuthEntry[];
  readonly single: boolean;
  /** Which alias the step itself uses; null: all of them. */
  readonly use: ValueTemplate | null;
}
export interface CompiledAuthEntry {
  readonly alias: string;
  readonly value: ValueTemplate;
}

/** Throws EngineError whose pointers are relative to the action or save. */
export function compileAuth(raw: Json, useAuth: Json): CompiledAuth | null {
  const spec: AuthSpec | null = normaliseAuth(raw);
  return spec && { ...compiled(spec.entries), single: spec.single, use: useAuth === null ? null : compileValue(useAuth) };
}

/** The document's own handles; null where it has none. Throws EngineError with pointers into the document. */
export function compileHandles(credentials: Json, keychain: Json): CompiledAuth | null {
  const entries = normaliseHandles(credentials, keychain);
  return entries.length === 0 ? null : { ...compiled(entries), single: false, use: null };
}

function compiled(entries: readonly AuthEntry[]): Pick<CompiledAuth, 'entries'> {
  return { entries: entries.map((entry) => ({ alias: entry.alias, value: compileValue(entry) })) };
}

/** Renders one alias to what is recorded of it. A name that is a handle of the document means that one. Throws StepFailure. */
export function renderEntry(
  { alias, value }: CompiledAuthEntry,
  handles: CompiledAuth | null,
  scope: Scope,
  rendering: Rendering,
  depth = 0,
): AuthEntry {
  const entry = value.render(scope, rendering) as AuthEntry;
  const { source, name, type } = entry;
  if (source === 'inline') return entry;
  if (typeof name !== 'string' || name.trim() === '') {
    throw new StepFailure('unknown_credential', `The credential of auth ${alias} has no name: its template gave no text.`, {
      retryable: false,
    });
  }
  const handle = source === 'credential' && depth === 0 ? handles?.entries.find((each) => each.alias === name) : undefined;
  if (!handle) return { ...entry, name: name.trim() };
  const found = renderEntry(handle, handles, scope, rendering, depth + 1);
  const fields: JsonObject = { ...found.fields, ...(isObject(entry.fields) ? entry.fields : {}) };
  return { ...found, alias, type: type ?? found.type, fields };
}
