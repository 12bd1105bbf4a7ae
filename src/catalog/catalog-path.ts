import { isId } from '../common/id-pipe.js';
import { EngineError } from '../engine/engine-error.js';

/** 1-32 segments joined by `/`; the length is checked apart. */
export const CATALOG_PATH = /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*){0,31}$/;
export const MAX_PATH_LENGTH = 512;

/** A playbook as a request names it. */
export interface PlaybookReference {
  /** The text as it may be a catalog id; null where it cannot be one. */
  readonly id: string | null;
  /** Normalised. */
  readonly path: string;
  /** As written behind `@` or `:`; null where nothing was. */
  readonly version: string | null;
}

/**
 * The canonical form of a path: without a leading `/` and a trailing `.yaml` or `.yml`.
 * @throws EngineError `invalid_path` where the rest does not follow the grammar.
 */
export function normalisePath(text: string): string {
  const path = text
    .trim()
    .replace(/^\//, '')
    .replace(/\.ya?ml$/, '');
  if (path.length <= MAX_PATH_LENGTH && CATALOG_PATH.test(path)) return path;
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  throw new EngineError(
    'invalid',
    'invalid_path',
    `"${shown}" is not a catalog path: 1-32 segments of letters, digits, "_", ".", "-" joined by "/", at most ${MAX_PATH_LENGTH} characters.`,
  );
}

/**
 * Reads `path`, `path@version`, `path:version` or a catalog id. Digits may be either: an id is meant first.
 * @throws EngineError `invalid_path`.
 */
export function parseReference(text: string): PlaybookReference {
  const cut = text.search(/[@:]/);
  const path = normalisePath(cut < 0 ? text : text.slice(0, cut));
  if (cut >= 0) return { id: null, path, version: text.slice(cut + 1) };
  return { id: isId(path) ? path : null, path, version: null };
}

/** Where an entry may be registered that is called by `path` plus its own name; null for a path of one segment. */
export function parentOf(path: string): { readonly parent: string; readonly name: string } | null {
  const cut = path.lastIndexOf('/');
  return cut < 0 ? null : { parent: path.slice(0, cut), name: path.slice(cut + 1) };
}

/** Between the path of the playbook that holds a text and the digest of that text; no path that a client can name has it. */
const INLINE = '/@inline/';
const INLINE_DIGITS = 32;

/** Where a playbook is kept that is written inside a step: below whoever holds it, hidden from lists and from resolution. */
export function inlinePath(holder: string, digest: string): string {
  return `${holder.split(INLINE, 1)[0]}${INLINE}${digest.slice(0, INLINE_DIGITS)}`;
}

export const isInlinePath = (path: string): boolean => path.includes(INLINE);
