import { PENDING } from '../../engine/births.js';
import { type NewRun, type RunId, type Unit, type UnitSource } from '../../engine/ports.js';
import { type RunEvent } from '../../engine/run/events.js';

/** Stores a run without a holder, for whoever has room. */
export class QueuedRun implements UnitSource {
  readonly runId: RunId;

  constructor(
    private readonly run: NewRun,
    private readonly events: readonly RunEvent[],
  ) {
    this.runId = run.id;
  }

  takeUnit(): Unit {
    return {
      runId: this.run.id,
      tenantId: this.run.tenantId,
      token: null,
      create: this.run,
      expectedSeq: 0,
      events: this.events,
      row: PENDING,
      end: null,
      release: null,
      seenInbox: 0,
      recordsProgress: false,
      snapshot: null,
      children: [],
      parent: this.run.parent,
    };
  }

  unitSettled(): void {
    // The queue hears of it as every listener does.
  }
}
