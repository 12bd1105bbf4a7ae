import { type CompiledStep } from '../playbook/compiled.js';
import { type Perform } from './decision.js';
import { type Firing } from './run-state.js';

/** The attempt a firing stands at, for the orchestrator. */
export function performOf(step: CompiledStep, firing: Firing): Perform {
  const performer = step.action?.performer;
  const pages = step.action?.pages ?? null;
  const kind = performer?.does === 'step' ? performer.kind : null;
  const fallbackMs = (kind?.defaultTimeoutSeconds ?? 0) * 1000;
  return {
    step: step.index,
    wave: firing.wave,
    attempt: firing.attempt,
    request: firing.request,
    answered: firing.answered,
    // Saves and pages have times of their own.
    timeoutMs: firing.acted || pages ? null : (firing.timeoutMs ?? (fallbackMs > 0 ? fallbackMs : null)),
    effect: pages === null && firing.acted === null && (kind?.effect ?? false),
    isProgram: kind === null || firing.acted !== null || pages !== null,
  };
}
