import { sealedIn } from '../auth/secret-markers.js';
import { type Json } from '../values.js';
import { type RunState } from './run-state.js';

/** What a history has opened that may still come back from the world: its requests, and what `secrets` steps left. */
export function earlierSecrets({ sealed, settled }: RunState): Json[] {
  const left = settled.flatMap((step) => (step && sealedIn(step.value).length > 0 ? [step.value] : []));
  return [...sealed, ...left];
}
