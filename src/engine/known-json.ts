import { type Json } from './values.js';

/** Why a value cannot be stored; the message holds nothing of it. */
export type StorabilityFault = { readonly code: 'result_not_storable' | 'result_too_large'; readonly message: string };

/** What was found out about a large value when it was read. */
export interface KnownJson {
  /** UTF-8 of its JSON text; null where it cannot be stored. */
  readonly json: Uint8Array | null;
  /** Levels of nesting; 1 for a list or an object of scalars. */
  readonly depth: number;
  readonly fault: StorabilityFault | null;
}

const KNOWN = new WeakMap<object, KnownJson>();
/** Most processes never see a large value, and then nobody looks for one. */
let knowsSome = false;

/** Remembers what is known of a value that must never change, so that nobody walks it again, or makes its JSON: one of 16 MiB holds up the loop for long. */
export function remember(value: object, facts: KnownJson): void {
  knowsSome = true;
  KNOWN.set(value, facts);
}

export function knownJson(value: unknown): KnownJson | undefined {
  return knowsSome && typeof value === 'object' && value !== null ? KNOWN.get(value) : undefined;
}

/** See KnownJson.depth; 0 for a scalar. Only for values that are known to be bounded. */
export function depthOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  let deepest = 0;
  for (const entry of Array.isArray(value) ? value : Object.values(value)) deepest = Math.max(deepest, depthOf(entry));
  return deepest + 1;
}
