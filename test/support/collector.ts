import { type HeldRun, type UnitSource } from '../../src/engine/ports.js';
import { ScriptedRun } from '../../src/engine/testing/scripted-run.js';
import { type RunConsumer } from '../../src/storage/claiming/handover.js';
import { type StorageNode } from './storage.js';

/** A consumer that runs nothing by itself and remembers what it was handed. */
export class Collector implements RunConsumer {
  readonly taken: HeldRun[] = [];
  hasSuspect = false;
  private readonly waiting: ((held: HeldRun) => void)[] = [];

  constructor(
    private readonly node: StorageNode,
    public room = 1000,
  ) {}

  capacity(): number {
    return this.room;
  }

  take(held: HeldRun): UnitSource {
    this.taken.push(held);
    this.waiting.shift()?.(held);
    return this.scripted(held);
  }

  holdsSuspect(): boolean {
    return this.hasSuspect;
  }

  takeEphemeral(): never {
    throw new Error('nothing ephemeral is offered here');
  }

  scripted(held: HeldRun): ScriptedRun {
    const run = new ScriptedRun(this.node.store, held.run, held.token);
    run.lastSeq = held.history?.lastSeq ?? 0;
    return run;
  }

  next(): Promise<HeldRun> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Resolves once it was handed this run so often. */
  async handed(runId: string, nth = 1): Promise<HeldRun> {
    for (;;) {
      const held = this.taken.filter(({ run }) => run.id === runId)[nth - 1];
      if (held !== undefined) return held;
      await this.next();
    }
  }
}
