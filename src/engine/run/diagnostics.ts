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

/** What of it is known as soon as the action has ended: to `vars` and saves. */
export function earlyDiagnosticsOf({ raw, itemErrors }: Pick<EndedFiring, 'raw' | 'itemErrors'>): JsonObject {
  return {
    ...(raw === undefined ? {} : { raw }),
    ...(itemErrors ? { errors: itemErrors.map(({ index, message }) => ({ index, message })) } : {}),
  };
}

/** `meta` of a step, to its own edges as to later steps (playbook language §3.1, rule 4). */
export function diagnosticsOf({ attempt, durationMs, raw, logs, itemErrors, saves }: EndedFiring): JsonObject {
  const meta: JsonObject = { attempt, duration_ms: durationMs, ...earlyDiagnosticsOf({ raw, itemErrors }) };
  if (logs) meta['logs'] = logs;
  if (saves.length > 0) {
    const outcomes = saves.map(({ status, storage, detail }): JsonObject => ({ status, storage, ...detail }));
    meta['save'] = outcomes.length === 1 ? outcomes[0]! : outcomes;
  }
  return meta;
}
