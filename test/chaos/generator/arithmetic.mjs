import { hash } from '../random.mjs';

/** All values of generated playbooks are whole numbers below this prime, so that templates and the model count alike. */
export const PRIME = 1_000_003;

/** The payload that clients send with a signal to an execution with the parameter `n`. */
export const signalValue = (name, n) => (n + hash(name)) % PRIME;

/** What clients decide about the approval of a step; null where they leave it alone. */
export function decisionOf(step, n) {
  if (step.startsWith('overdue')) return null;
  return step.startsWith('refusal') ? { decision: 'reject', comment: 'chaos' } : { decision: 'approve', data: { v: signalValue(step, n) } };
}

/** What the effect server answers for a step and an input: the model and the server both know it, the service does not. */
export const effectValue = (step, input) => (input * 31 + (hash(step) % PRIME)) % PRIME;
