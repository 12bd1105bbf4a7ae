import { type HeldRun, type RunSnapshot, type RunStore, type Unit, type UnitOutcome, type UnitSource } from '../engine/ports.js';
import { startedBy } from '../engine/births.js';
import { type RunErrorDetails, type RunEvent } from '../engine/run/events.js';
import { cancelIn } from '../engine/run/snapshot.js';

/**
 * Ends a claimed run that this node cannot even begin (its entry cannot be read or compiled): it fails alone, with a code
 * (R5); one that was asked to cancel ends as cancelled.
 */
export class FailingRun implements UnitSource {
  readonly runId: string;
  private readonly events: RunEvent[];
  private cancel: { readonly reason: string | null } | null;
  private seenInbox: number;

  /** @param letGo called where the end cannot be written: the lease is left to expire and the next holder tries again. */
  constructor(
    private readonly held: HeldRun,
    private readonly error: RunErrorDetails,
    private readonly store: Pick<RunStore, 'announce' | 'readInbox'>,
    private readonly letGo: () => void,
  ) {
    this.runId = held.run.id;
    this.events = held.history ? [] : [startedBy(held.run.requesters)];
    const { events = [], snapshot = null } = held.history ?? {};
    this.cancel = events.find((event) => event.type === 'cancel_requested') ?? (snapshot && cancelOf(snapshot));
    this.seenInbox = held.history?.inboxConsumed ?? 0;
  }

  takeUnit(): Unit {
    const { run, token, history } = this.held;
    const { cancel, error, events, seenInbox } = this;
    const row = { progress: 100, currentStep: null, waitingFor: null };
    const end: RunEvent = cancel ? { type: 'execution_cancelled', reason: cancel.reason } : { type: 'execution_failed', error, others: [] };
    return {
      runId: run.id,
      tenantId: run.tenantId,
      token,
      create: history ? null : run,
      expectedSeq: history?.lastSeq ?? 0,
      events: [...events, end],
      row: cancel ? { ...row, status: 'cancelled', error: null } : { ...row, status: 'failed', error },
      end: { result: null },
      release: null,
      seenInbox,
      recordsProgress: false,
      snapshot: null,
      children: [],
      approvals: { opens: [], closes: [], closesAll: true },
      parent: run.parent,
    };
  }

  unitSettled(outcome: UnitOutcome): void {
    if (outcome.kind === 'inbox_moved') this.hear().catch(this.letGo);
    else if (outcome.kind === 'refused') this.letGo();
  }

  private async hear(): Promise<void> {
    for (const { inboxSeq, kind, payload } of await this.store.readInbox(this.held.run.tenantId, this.runId, this.seenInbox)) {
      this.seenInbox = inboxSeq;
      if (kind !== 'cancel' || this.cancel) continue;
      const reason = typeof payload['reason'] === 'string' ? payload['reason'] : null;
      this.cancel = { reason };
      this.events.push({ type: 'cancel_requested', reason, force: payload['force'] === true });
    }
    this.store.announce(this);
  }
}

/** A snapshot that cannot be read may be why the run ends so. */
function cancelOf(snapshot: RunSnapshot): ReturnType<typeof cancelIn> {
  try {
    return cancelIn(snapshot);
  } catch {
    return null;
  }
}
