import { EngineError } from '../engine/engine-error.js';
import { type CompiledPlaybook } from '../engine/playbook/compile.js';
import { type NewRun } from '../engine/ports.js';

/** Step types that wait for the world, longer than a request may. */
const WAITING_TYPES = new Set(['wait', 'wait_for', 'approval']);

/** A playbook that waits for others cannot run in memory alone (D32). @throws EngineError not_durable_unsupported */
export function refuseUnlessMemoryIsEnough(run: NewRun, playbook: CompiledPlaybook): void {
  if (run.idempotency) {
    throw new EngineError(
      'invalid',
      'not_durable_unsupported',
      'sync_to_postgres: false cannot go with an Idempotency-Key: nothing would remember it.',
    );
  }
  if (run.startAt !== null) {
    throw new EngineError(
      'invalid',
      'not_durable_unsupported',
      'sync_to_postgres: false cannot go with start_at or delay: nothing would keep it until then.',
    );
  }
  const waiting = playbook.steps.find((step) => WAITING_TYPES.has(step.type));
  if (!waiting) return;
  throw new EngineError(
    'invalid',
    'not_durable_unsupported',
    `sync_to_postgres: false cannot go with the step ${waiting.name} of type ${waiting.type}.`,
  );
}
