/** Lets one caller at a time in per key, in the order of arrival. */
export class KeyedTurns {
  private readonly last = new Map<string, Promise<void>>();

  /** Waits for its turn. @returns what ends it. Throws `signal.reason` when aborted while waiting */
  async enter(key: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const before = this.last.get(key) ?? Promise.resolve();
    const { promise: over, resolve: leave } = Promise.withResolvers<void>();
    const own = before.then(() => over);
    this.last.set(key, own);
    void own.then(() => {
      if (this.last.get(key) === own) this.last.delete(key);
    });
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([before, aborted.promise]);
      return leave;
    } catch (error) {
      leave();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}
