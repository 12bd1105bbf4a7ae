import { getHeapStatistics } from 'node:v8';

/**
 * On its way a value of N bytes is in memory about ten times: as it was received (twice, in pieces and whole), as text, parsed, as JSON of its event
 * and of the result, and several times in the buffers of the database's driver. The budget counts it once.
 */
const HEAP_SHARE = 1 / 10;

interface Waiter {
  readonly owner: string;
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * How many bytes of large values may be in the memory of this node at once (R9). Whoever brings some in asks first, and waits in order of arrival
 * while there is no room. Nobody waits for ever: whoever has held some for longest always gets more, also beyond the limit, so that it ends and makes
 * room; and where nothing is held anything is granted, so that a small node too can take the largest value there may be, alone.
 */
export class ByteBudget {
  /** In order of the first grant. */
  private readonly held = new Map<string, number>();
  /** In order of arrival. */
  private readonly queue = new Set<Waiter>();
  private total = 0;

  /** @param limit bytes; a share of the heap where left out */
  constructor(readonly limit: number = getHeapStatistics().heap_size_limit * HEAP_SHARE) {}

  get heldBytes(): number {
    return this.total;
  }

  get waitingBytes(): number {
    return [...this.queue].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Resolves once `owner` holds so many bytes more. Rejects with the reason of `signal`, and then it does not. */
  async admit(owner: string, bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { owner, bytes, go: resolve };
    const leave = (): void => {
      if (!this.queue.delete(waiter)) return;
      reject(signal.reason as Error);
      this.move();
    };
    signal.addEventListener('abort', leave, { once: true });
    this.queue.add(waiter);
    this.move();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Nothing of this owner's is in memory any more. */
  release(owner: string): void {
    this.total -= this.held.get(owner) ?? 0;
    if (this.held.delete(owner)) this.move();
  }

  private move(): void {
    for (let next = this.next(); next !== undefined; next = this.next()) {
      const { owner, bytes, go } = next;
      this.queue.delete(next);
      this.held.set(owner, (this.held.get(owner) ?? 0) + bytes);
      this.total += bytes;
      go();
    }
  }

  private next(): Waiter | undefined {
    const [longest] = this.held.keys();
    const waiters = [...this.queue];
    const first = longest === undefined ? waiters[0] : waiters.find(({ owner }) => owner === longest);
    if (first) return first;
    // Whoever holds some makes room once it has the rest; whoever begins only takes more.
    const ahead = waiters.find(({ owner }) => this.held.has(owner)) ?? waiters[0];
    return ahead && this.total + ahead.bytes <= this.limit ? ahead : undefined;
  }
}
