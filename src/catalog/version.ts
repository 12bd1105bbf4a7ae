import semver from 'semver';
import { EngineError } from '../engine/engine-error.js';
import { type VersionColumns } from '../storage/repositories/playbook.repository.js';

/** Longest version, range or tag a request may carry; the same bound as node-semver's own. */
export const MAX_VERSION_LENGTH = 256;

/** One to three numbers, then a pre-release and build data: what coercion may fill up, and nothing else around it. */
const WRITTEN_VERSION = /^[v=]?\s*(\d{1,16})(?:\.(\d{1,16}))?(?:\.(\d{1,16}))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
const WHOLE_VERSION = /^[v=]?\s*\d+\.\d+\.\d+(?:[-+]|$)/;
const TAG = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** What a version in a request means, before anything is looked up. */
export type AskedVersion =
  /** Nothing, or `latest`: the highest. */
  | { readonly kind: 'latest' }
  /** The most recently registered, for starts that do not speak of versions. */
  | { readonly kind: 'newest' }
  | { readonly kind: 'exact'; readonly version: string }
  | { readonly kind: 'range'; readonly range: semver.Range }
  /** Digits only: that revision if it exists, else a range. */
  | { readonly kind: 'digits'; readonly revision: number; readonly range: semver.Range }
  | { readonly kind: 'tag'; readonly tag: string };

/**
 * The canonical form of a version somebody gave a document: `v1.2.0` and `1.2.0+build` are 1.2.0, `1` is 1.0.0,
 * `0.1` is 0.1.0. Build data is dropped, because two versions that differ only there have no order.
 * @throws EngineError `invalid_version` for everything that is not a version as a whole.
 */
export function normaliseVersion(text: string): string {
  const parts = text.length <= MAX_VERSION_LENGTH ? WRITTEN_VERSION.exec(text.trim()) : null;
  // Number() drops leading zeros, as coercion does: 2025.01 is 2025.1.0.
  const canonical = parts && `${Number(parts[1])}.${Number(parts[2] ?? 0)}.${Number(parts[3] ?? 0)}${parts[4] ?? ''}`;
  const parsed = canonical ? semver.parse(canonical) : null;
  if (!parsed) throw new EngineError('invalid', 'invalid_version', `"${shorten(text)}" is not a semantic version.`);
  return parsed.version;
}

/** The version after the highest of `versions` (canonical, any order): its next patch, or 1.0.0 where there is none. */
export function nextVersion(versions: readonly string[]): string {
  if (versions.length === 0) return '1.0.0';
  const highest = versions.reduce((best, version) => (semver.gt(version, best) ? version : best));
  const next = semver.inc(highest, 'patch');
  if (!next || !semver.valid(next))
    throw new EngineError('invalid', 'invalid_version', `There is no next patch after ${highest}; name a version.`);
  return next;
}

/**
 * Reads what a request asks for; surrounding blanks do not count, nothing at all is `latest`.
 * @throws EngineError `invalid_version`.
 */
export function parseAskedVersion(text: string | null): AskedVersion {
  const asked = (text ?? '').trim();
  if (asked === '' || asked === 'latest') return { kind: 'latest' };
  if (asked.length > MAX_VERSION_LENGTH) throw unreadable(asked);
  if (WHOLE_VERSION.test(asked)) return { kind: 'exact', version: normaliseVersion(asked) };
  const range = rangeOf(asked);
  if (range) return /^\d+$/.test(asked) ? { kind: 'digits', revision: Number(asked), range } : { kind: 'range', range };
  if (TAG.test(asked)) return { kind: 'tag', tag: asked };
  throw unreadable(asked);
}

/**
 * A name that may be given to a tag: not `latest`, and nothing that also reads as a version or range.
 * @throws EngineError `invalid_value`.
 */
export function checkTagName(tag: string): string {
  if (TAG.test(tag) && tag !== 'latest' && !rangeOf(tag)) return tag;
  throw new EngineError(
    'invalid',
    'invalid_value',
    `"${shorten(tag)}" cannot be a tag: 1-64 of letters, digits, ".", "_", "-", a letter first; not "latest", not a version or range.`,
  );
}

/** Ascending semantic order of canonical versions. */
export function compareVersions(a: string, b: string): number {
  return semver.compare(a, b);
}

/** A canonical version as the columns it is stored and sorted by. */
export function versionColumns(version: string): VersionColumns {
  const { major, minor, patch, prerelease } = new semver.SemVer(version);
  return { text: version, major, minor, patch, prereleaseKey: prereleaseKey(prerelease) };
}

export function isPrerelease(version: string): boolean {
  return version.includes('-');
}

/**
 * Text whose bytewise order is that of semantic versions: numbers below words, shorter numbers first, `!` below every character
 * of an identifier, and `~`, the release, above all.
 */
function prereleaseKey(identifiers: readonly (string | number)[]): string {
  if (identifiers.length === 0) return '~';
  const keys = identifiers.map(String).map((text) => (/^\d+$/.test(text) ? `0${String(text.length).padStart(3, '0')}${text}` : `1${text}`));
  return keys.join('!');
}

function rangeOf(text: string): semver.Range | null {
  // "01" is no range for node-semver, but it is as good a revision as "1".
  const written = /^\d{1,16}$/.test(text) ? String(Number(text)) : text;
  try {
    return new semver.Range(written);
  } catch {
    return null; // node-semver says by throwing that the text is no range
  }
}

function unreadable(asked: string): EngineError {
  return new EngineError('invalid', 'invalid_version', `"${shorten(asked)}" is neither a version, nor a range, a revision or a tag.`);
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
