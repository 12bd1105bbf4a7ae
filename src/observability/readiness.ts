import { Injectable } from '@nestjs/common';

/** Longer than this a healthy database does not take. */
const PROBE_TIMEOUT_MS = 1_000;

/** Whether this node wants traffic: what it depends on answers, and it is not shutting down. */
@Injectable()
export class Readiness {
  private readonly probes: (() => Promise<unknown>)[] = [];
  private isDraining = false;
  private databaseIsSilent = (): boolean => false;

  get draining(): boolean {
    return this.isDraining;
  }

  /** Adds something that must answer; a rejection or silence means not ready. */
  require(probe: () => Promise<unknown>): void {
    this.probes.push(probe);
  }

  /** Sets who knows whether the database owes answers for so long that no request should wait for it any longer. */
  watchDatabase(isSilent: () => boolean): void {
    this.databaseIsSilent = isSilent;
  }

  get databaseSilent(): boolean {
    return this.databaseIsSilent();
  }

  /** From now on the node is not ready; there is no way back. */
  drain(): void {
    this.isDraining = true;
  }

  async check(): Promise<boolean> {
    if (this.isDraining) return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('late')), PROBE_TIMEOUT_MS);
    });
    try {
      await Promise.race([Promise.all(this.probes.map((probe) => probe())), late]);
      return !this.isDraining;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
}
