import { EngineError } from '../engine/engine-error.js';
import { MAX_WAIT_SECONDS } from '../common/wait.js';
import { type CompiledPlaybook, type CompiledStep } from '../engine/playbook/compiled.js';
import { type NewRun } from '../engine/ports.js';
import { durationMs } from '../engine/run/durations.js';
import { Rendering } from '../engine/template/rendering.js';

/** A scope in which nothing is known: what renders in it all the same is a constant of the document. */
const NOTHING_KNOWN = { lookup: (): undefined => undefined };

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
  const undone = playbook.steps.find(({ undoneBy }) => undoneBy !== null);
  if (undone) {
    throw new EngineError(
      'invalid',
      'not_durable_unsupported',
      `sync_to_postgres: false cannot go with the compensation of the step ${undone.name}: nothing would undo it after a crash.`,
    );
  }
  const waiting = playbook.steps.find((step) => waitsTooLong(step));
  if (!waiting) return;
  throw new EngineError(
    'invalid',
    'not_durable_unsupported',
    `sync_to_postgres: false cannot go with the step ${waiting.name}: nothing would remember what it waits for.`,
  );
}

/** For others, or for a time that is not known to end within the longest wait of a request. */
function waitsTooLong({ action }: CompiledStep): boolean {
  if (action?.definition.type === 'approval') return true;
  if (action?.performer?.does !== 'wait') return false;
  const { wait } = action.performer;
  if (wait.kind !== 'timer' || !wait.duration?.isConstant) return true;
  return (durationMs(wait.duration.render(NOTHING_KNOWN, new Rendering(STILL))) ?? Infinity) > MAX_WAIT_SECONDS * 1000;
}

const STILL = { now: '', random: (): number => 0, nextId: (): string => '', monotonic: (): number => 0 };
