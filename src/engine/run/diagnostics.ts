import { type Json, type JsonObject } from '../values.js';
import { type ItemFailure, type SaveOutcome } from './events.js';

/** What a firing that went on says of how it ended. */
export interface EndedFiring {
  readonly attempt: number;
  readonly durationMs: number;
  /** The action's own value, where `result` put another in its place. */
  readonly raw?: Json | undefined;
  readonly logs?: string | undefined;
  readonly itemErrors?: readonly ItemFailure[] | null | undefined;
  readonly saves: readonly SaveOutcome[];
}

/** `meta` of a step, to its own edges as to later steps (playbook language §3.1, rule 4). */
export function diagnosticsOf({ attempt, durationMs, raw, logs, itemErrors, saves }: EndedFiring): JsonObject {
  const meta: JsonObject = { attempt, duration_ms: durationMs };
  if (raw !== undefined) meta['raw'] = raw;
  if (logs) meta['logs'] = logs;
  if (itemErrors) meta['errors'] = itemErrors.map(({ index, message }) => ({ index, message }));
  if (saves.length > 0) {
    const outcomes = saves.map(({ status, storage, detail }): JsonObject => ({ status, storage, ...detail }));
    meta['save'] = outcomes.length === 1 ? outcomes[0]! : outcomes;
  }
  return meta;
}
