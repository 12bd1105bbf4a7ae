import { MAX_CALL_DEPTH } from '../engine/playbook/calls.js';
import { type LiveMessage, type LivePort } from '../engine/live-port.js';
import { type RunId } from '../engine/ports.js';

/** Runs whose callers are remembered; the oldest is forgotten. */
const MOST_CALLERS = 10_000;

/**
 * Who watches a run on this node, or one that called it, hears here what it says meanwhile, such as the tokens of a model: in memory, without any promise.
 */
export class LiveMessages implements LivePort {
  private readonly followers = new Map<RunId, Set<(message: LiveMessage) => void>>();
  private readonly callers = new Map<RunId, RunId>();

  tell(runId: RunId, message: LiveMessage): void {
    if (this.followers.size === 0) return;
    let caller: RunId | undefined = runId;
    for (let depth = 0; caller !== undefined && depth <= MAX_CALL_DEPTH; depth += 1) {
      for (const follower of this.followers.get(caller) ?? []) follower(message);
      caller = this.callers.get(caller);
    }
  }

  /** From now on whoever follows the caller, or what called that, hears of the run too. */
  relay(runId: RunId, caller: RunId): void {
    this.callers.set(runId, caller);
    if (this.callers.size > MOST_CALLERS) this.callers.delete(this.callers.keys().next().value!);
  }

  /** Hears of one run until the returned function is called. Listeners must not throw and must be quick. */
  follow(runId: RunId, listener: (message: LiveMessage) => void): () => void {
    const followers = this.followers.get(runId) ?? new Set();
    this.followers.set(runId, followers.add(listener));
    return () => {
      followers.delete(listener);
      if (followers.size === 0 && this.followers.get(runId) === followers) this.followers.delete(runId);
    };
  }
}
