import { EngineError } from '../engine/engine-error.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { pointedAt } from './pointed-at.js';
import { nextVersion, normaliseVersion } from './version.js';

/** Either the entry that is there already, or the version that a new one gets. */
export type RegistrationDecision = { readonly existing: CatalogEntry } | { readonly version: string };

/**
 * The version a registration names: the document's or the request's, canonical; null where neither names one.
 * @throws EngineError `invalid_version`, or `version_conflict` where they differ
 */
export function namedVersion(ofDocument: string | null, ofRequest: string | null): string | null {
  const canonical = (text: string | null): string | null => (text === null ? null : normaliseVersion(text));
  const document = canonical(ofDocument);
  const request = pointedAt('/version', () => canonical(ofRequest));
  if (document && request && document !== request) {
    const message = `The document names version ${document}, the request ${request}.`;
    throw new EngineError('invalid', 'version_conflict', message, [{ code: 'version_conflict', pointer: '/version', message }]);
  }
  return document ?? request ?? null;
}

/**
 * The rules of registering a text at a path: the same text without another version is the same entry, a version never changes its
 * text, and a text that names no version gets the next patch.
 * @param versions every version of the path, newest registration first
 * @param named canonical; null where none was named
 * @throws EngineError `version_exists`, `invalid_version`
 */
export function decideRegistration(versions: readonly CatalogEntry[], digest: string, named: string | null): RegistrationDecision {
  if (named === null) {
    const same = versions.find((entry) => entry.digest === digest);
    return same ? { existing: same } : { version: nextVersion(versions.map((entry) => entry.version)) };
  }
  const taken = versions.find((entry) => entry.version === named);
  if (!taken) return { version: named };
  if (taken.digest === digest) return { existing: taken };
  const message = `${taken.path} ${named} is registered with another text; versions never change. Register this text as another version.`;
  throw new EngineError('conflict', 'version_exists', message);
}
