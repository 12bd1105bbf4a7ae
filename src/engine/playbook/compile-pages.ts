import { type Issue } from '../engine-error.js';
import { compileCondition, compileValue } from '../template/template.js';
import { isObject, type Json } from '../values.js';
import { type CompiledPages } from './compiled.js';
import { MOST_PAGES } from './document-limits.js';
import { fits, isTemplate } from './normalise-values.js';

/** What `retry.on_success` says: how the next page is asked for, and what becomes of all of them. */
export function compilePages(onSuccess: Json, pointer: string, refuse: (issue: Issue) => void): CompiledPages {
  const fields = isObject(onSuccess) ? onSuccess : {};
  const collect = isObject(fields['collect']) ? fields['collect'] : {};
  const wrong = (place: string, message: string): void => {
    refuse({
      code: 'invalid_retry',
      message: `retry.on_success.${place} ${message}`,
      pointer: `${pointer}/retry/on_success/${place.replaceAll('.', '/')}`,
    });
  };
  const most = fields['max_attempts'] ?? MOST_PAGES;
  if (!isTemplate(most) && !(fits(most, 'count') && Number(most) >= 1 && Number(most) <= MOST_PAGES))
    wrong('max_attempts', `must be a whole number from 1 to ${MOST_PAGES}.`);
  const strategy = collect['strategy'] ?? 'append';
  if (strategy !== 'append' && strategy !== 'replace' && strategy !== 'merge')
    wrong('collect.strategy', 'must be append, replace or merge.');
  const path = collect['path'] ?? null;
  if (path !== null && typeof path !== 'string') wrong('collect.path', 'must be a text.');
  const into = collect['into'] ?? null;
  if (into !== null && typeof into !== 'string') wrong('collect.into', 'must be a text.');
  return {
    while: compileCondition(fields['while'] ?? false),
    maxPages: compileValue(most),
    nextCall: compileValue(fields['next_call'] ?? {}),
    strategy: strategy === 'replace' || strategy === 'merge' ? strategy : 'append',
    path: typeof path === 'string' && path !== '' ? path.split('.') : null,
    into: typeof into === 'string' ? into : null,
  };
}
