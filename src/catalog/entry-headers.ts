import { EngineError } from '../engine/engine-error.js';
import { type TagCondition } from '../storage/repositories/playbook-tag.repository.js';

const ENTITY_TAGS = /^\s*(?:W\/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W\/)?"[\x21\x23-\x7e]*"\s*)*$/;

/**
 * What an If-Match header demands (RFC 9110, 13.1.1): weak tags never match.
 * @throws EngineError `invalid_header`
 */
export function conditionOf(ifMatch: string | undefined): TagCondition {
  if (ifMatch === undefined) return null;
  if (ifMatch.trim() === '*') return 'any';
  if (!ENTITY_TAGS.test(ifMatch))
    throw new EngineError('unreadable', 'invalid_header', 'If-Match is neither * nor a list of quoted entity tags.');
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  return tags.filter((tag) => !tag.startsWith('W/')).map((tag) => tag.slice(1, -1));
}
