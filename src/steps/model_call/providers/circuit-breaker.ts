import { StepFailure } from '../../../engine/step-executor.js';

const FAILURES_TO_OPEN = 5;
const OPEN_MS = 10_000;
/** Endpoints that are remembered; the one that failed longest ago is forgotten. */
const MOST_ENDPOINTS = 1_000;

interface Circuit {
  failures: number;
  /** Monotonic ms until which nobody asks; then one may try. */
  openUntil: number;
  trying: boolean;
}

/** Failures that say something about the endpoint, and not about what it was asked. */
const TELLING: ReadonlySet<string> = new Set(['connection_error', 'timeout', 'invalid_model_response']);

/**
 * Leaves an endpoint alone that fails again and again: after five failures in a row nobody asks it for ten seconds, then one call tries whether it is
 * well again. One per node, circuits by tenant and endpoint.
 */
export class CircuitBreaker {
  private readonly circuits = new Map<string, Circuit>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @throws StepFailure `circuit_open`, retryable when the time is over; else what the work throws */
  async through<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const circuit = this.circuits.get(key);
    if (circuit && circuit.failures >= FAILURES_TO_OPEN) {
      const left = circuit.openUntil - this.now();
      if (left > 0 || circuit.trying) {
        const message = `The endpoint of the model failed ${circuit.failures} times in a row and is left alone for a while.`;
        throw new StepFailure('circuit_open', message, { retryAfterMs: Math.max(left, 1_000) });
      }
      circuit.trying = true;
    }
    try {
      const result = await work();
      this.circuits.delete(key);
      return result;
    } catch (error) {
      if (tells(error)) this.failed(key);
      else if (circuit) circuit.trying = false;
      throw error;
    }
  }

  private failed(key: string): void {
    const failures = (this.circuits.get(key)?.failures ?? 0) + 1;
    this.circuits.delete(key); // the newest stands last
    this.circuits.set(key, { failures, openUntil: this.now() + OPEN_MS, trying: false });
    if (this.circuits.size > MOST_ENDPOINTS) this.circuits.delete(this.circuits.keys().next().value!);
  }
}

function tells(error: unknown): boolean {
  return error instanceof StepFailure && (TELLING.has(error.code) || (error.statusCode ?? 0) >= 500);
}
