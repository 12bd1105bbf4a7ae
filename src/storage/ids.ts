import { EngineError } from '../engine/engine-error.js';
/** 2025-01-01T00:00:00Z, where the ids' clock begins (D35). */
export const ID_EPOCH_MS = Date.UTC(2025, 0, 1);
export const NODE_NUMBERS = 1024;
const COUNTER_SIZE = 4096;
/** Values of one millisecond: 10 bits of node number above 12 bits of counter. */
const PER_MILLISECOND = NODE_NUMBERS * COUNTER_SIZE;
const CHUNK = 1_000_000;

/** What a node number is good for at this moment; `null` where it expired, and then nothing may be minted. */
export interface NodeNumber {
  readonly number: number;
  /** Nothing at or below this millisecond (since ID_EPOCH_MS) may be minted: an earlier owner may have done it. */
  readonly highWater: number;
  /** Nothing above this millisecond may be minted: the next owner starts there. */
  readonly limit: number;
}

/** This node's number is no longer its own, because the database could not be reached for long: it mints nothing (D35). */
export class NodeNumberExpired extends EngineError {
  constructor() {
    super('unavailable', 'database_unavailable', 'The database cannot be reached.');
  }
}

/**
 * Mints ids: 41 bits of milliseconds since ID_EPOCH_MS, 10 bits of node number, 12 bits of counter, as decimal text. Strictly ascending on
 * one node even where the clock steps back: time and counter run ahead of the clock instead (D35).
 */
export class IdMint {
  private lastMs = 0;
  private counter = 0;

  /**
   * @param nodeNumber the leased number, asked at every id
   * @param now epoch milliseconds
   */
  constructor(
    private readonly nodeNumber: () => NodeNumber | null,
    private readonly now: () => number = Date.now,
  ) {}

  /** @throws NodeNumberExpired */
  next(): string {
    const node = this.nodeNumber();
    if (node === null) throw new NodeNumberExpired();
    const ms = Math.max(this.now() - ID_EPOCH_MS, node.highWater + 1);
    if (ms > this.lastMs) {
      this.lastMs = ms;
      this.counter = 0;
    } else if (++this.counter === COUNTER_SIZE) {
      this.lastMs += 1;
      this.counter = 0;
    }
    if (this.lastMs > node.limit) throw new NodeNumberExpired();
    return toDecimal(this.lastMs, node.number * COUNTER_SIZE + this.counter);
  }
}

/** ms * 2^22 + low as decimal text, in two doubles: each product stays below 2^53, which BigInt would not make faster. */
function toDecimal(ms: number, low: number): string {
  const product = (ms % CHUNK) * PER_MILLISECOND + low;
  const high = Math.floor(ms / CHUNK) * PER_MILLISECOND + Math.floor(product / CHUNK);
  return high === 0 ? String(product) : String(high) + String(product % CHUNK).padStart(6, '0');
}

/** The lowest id of a moment: where a partition begins. */
export function firstIdAt(epochMs: number): bigint {
  return BigInt(Math.max(0, Math.trunc(epochMs) - ID_EPOCH_MS)) * BigInt(PER_MILLISECOND);
}

/** Epoch milliseconds at which an id was minted. */
export function mintedAt(id: string): number {
  return Number(BigInt(id) / BigInt(PER_MILLISECOND)) + ID_EPOCH_MS;
}
