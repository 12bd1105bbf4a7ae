import { type LiveMessage, type LivePort } from '../engine/live-port.js';
import { type RunId } from '../engine/ports.js';

/** Who watches a run on this node hears here what it says meanwhile, such as the tokens of a model: in memory, without any promise. */
export class LiveMessages implements LivePort {
  private readonly followers = new Map<RunId, Set<(message: LiveMessage) => void>>();

  tell(runId: RunId, message: LiveMessage): void {
    for (const follower of this.followers.get(runId) ?? []) follower(message);
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
