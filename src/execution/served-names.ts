import { EngineError } from '../engine/engine-error.js';
import { type EntryContract } from '../engine/playbook/playbook.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';

const SHOWN = 10;

/**
 * Whether a tool or model may be called by this name.
 * @param pointer where the request has the name
 * @throws EngineError `unknown_tool`, `unknown_model`, with the names that the entry has
 */
export function checkServes(
  what: 'tool' | 'model',
  name: string,
  pointer: string,
  { name: ownName, path, version }: Pick<CatalogEntry, 'name' | 'path' | 'version'>,
  { toolName, serves }: Pick<EntryContract, 'toolName' | 'serves'>,
): void {
  const names = [...new Set([ownName, path.split('/').at(-1)!, ...(toolName === null ? [] : [toolName]), ...serves])];
  if (names.includes(name)) return;
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  const known = `its names are ${names.slice(0, SHOWN).join(', ')}${more}`;
  const message = `${path} ${version} does not serve a ${what} "${name.slice(0, 80)}"; ${known}.`;
  throw new EngineError('invalid', `unknown_${what}`, message, [{ code: `unknown_${what}`, pointer, message }]);
}
