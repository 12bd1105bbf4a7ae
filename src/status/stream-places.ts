import { EngineError } from '../engine/engine-error.js';

/**
 * Who follows executions here. A stream takes a connection and a look at the database each second for as long as its reader likes, and connections are
 * counted for all tenants together: without a bound of their own those of one would be all there are.
 */
export class StreamPlaces {
  private readonly taken = new Map<string, number>();

  constructor(private readonly perTenant: number) {}

  /** @returns gives the place back, once. @throws EngineError too_many_requests */
  take(tenant: string): () => void {
    const open = this.taken.get(tenant) ?? 0;
    if (open >= this.perTenant) {
      const message = `${open} event streams of this tenant are open on this node, which is the limit; pages are answered all the same.`;
      throw new EngineError('too_many', 'too_many_requests', message);
    }
    this.taken.set(tenant, open + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.taken.get(tenant) ?? 1) - 1;
      if (left > 0) this.taken.set(tenant, left);
      else this.taken.delete(tenant);
    };
  }
}
