import { setTimeout as sleep } from 'node:timers/promises';
import { StepFailure } from '../engine/step-executor.js';
import { MCP_LIMITS } from './limits.js';

const MOST_KEYS = 1_000;

/** Pauses after failures, each twice as long as the one before: short ones are waited for, and from the fifth failure in a row on calls fail at once. */
export class Pauses {
  private readonly failures = new Map<string, { count: number; until: number }>();

  constructor(private readonly monotonic: () => number = () => performance.now()) {}

  failed(key: string): void {
    const count = (this.failures.get(key)?.count ?? 0) + 1;
    const pause = Math.min(MCP_LIMITS.firstPauseMs * 2 ** (count - 1), MCP_LIMITS.longestPauseMs);
    this.failures.delete(key);
    this.failures.set(key, { count, until: this.monotonic() + pause });
    const [oldest] = this.failures.keys();
    if (this.failures.size > MOST_KEYS && oldest !== undefined) this.failures.delete(oldest);
  }

  forget(key: string): void {
    this.failures.delete(key);
  }

  /** Resolves when it may be tried again. Throws StepFailure `mcp_server_unavailable` where that is not worth waiting for; the reason of `signal`. */
  async over(key: string, server: string, signal: AbortSignal): Promise<void> {
    const failed = this.failures.get(key);
    const left = failed ? failed.until - this.monotonic() : 0;
    if (!failed || left <= 0) return;
    if (failed.count >= MCP_LIMITS.failures) {
      throw new StepFailure(
        'mcp_server_unavailable',
        `The MCP server ${server} failed ${failed.count} times in a row; it is left alone for a while.`,
      );
    }
    await sleep(left, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
