import { type ApprovalDecision, type ApprovalState } from '../approvals.js';
import { birthOf, fallsToCancel } from '../births.js';
import { childEnded } from '../child-ended.js';
import {
  type EngineParent,
  type InboxMessage,
  type RowState,
  type RunId,
  type RunSnapshot,
  type RunStore,
  type Unit,
  type UnitOutcome,
  type UnitSource,
} from '../ports.js';
import { isTerminal, type RunEvent } from '../run/events.js';
import { type Json, type JsonObject } from '../values.js';
import { MemoryApprovals, type StoredApproval } from './memory-approvals.js';

/** What a store holds of one run, for tests to look at. */
export interface StoredRun {
  readonly row: RowState;
  readonly events: readonly RunEvent[];
  /** The newest one; none once the run ended. */
  readonly snapshot: RunSnapshot | null;
  readonly lastSeq: number;
  readonly token: string | null;
  readonly inboxSeq: number;
  readonly inboxConsumed: number;
  /** Epoch milliseconds; null where nothing is due. */
  readonly wakeAt: number | null;
  /** undefined until the run ended. */
  readonly result: Json | undefined;
  readonly cancelRequested: boolean;
}

interface Row extends StoredRun {
  readonly parent: EngineParent | null;
  readonly tenantId: string;
  readonly inbox: readonly InboxMessage[];
  readonly at: number;
}

/** The RunStore for tests and for runs that keep nothing: same fences, same outcomes, gone with the process. */
export class MemoryRunStore implements RunStore {
  private readonly rows = new Map<RunId, Row>();
  private readonly waiting = new Set<UnitSource>();
  private readonly approvals = new Map<RunId, MemoryApprovals>();
  private scheduled = false;

  /**
   * @param now epoch milliseconds of the store's clock
   * @param defer how a batch waits for its turn; by default to the end of the current microtasks' turn
   */
  constructor(
    private readonly now: () => number = Date.now,
    private readonly defer: (write: () => void) => void = setImmediate,
  ) {}

  announce(source: UnitSource): void {
    this.waiting.add(source);
    if (this.scheduled) return;
    this.scheduled = true;
    this.defer(() => this.writeAll());
  }

  readInbox(tenantId: string, runId: RunId, after: number): Promise<readonly InboxMessage[]> {
    const row = this.rows.get(runId);
    const mine = row?.tenantId === tenantId ? row.inbox : [];
    return Promise.resolve(mine.filter((message) => message.inboxSeq > after));
  }

  expireApproval(tenantId: string, runId: RunId, step: string, wave: number): Promise<ApprovalState | null> {
    if (this.rows.get(runId)?.tenantId !== tenantId) return Promise.resolve(null);
    const { state, then } = this.approvalsIn(runId).expire(step, wave, this.now());
    this.approvals.set(runId, then);
    return Promise.resolve(state);
  }

  /** What storage's decisions do: the approval, and the message that its run hears of it by. */
  decide(tenantId: string, runId: RunId, id: string, decision: ApprovalDecision): string {
    const { verdict, then, told } = this.approvalsIn(runId).decide(id, decision, this.now());
    this.approvals.set(runId, then);
    if (told) this.deliver(tenantId, runId, 'approval', told as unknown as JsonObject);
    return verdict;
  }

  /** Of one run, in the order in which they were opened. */
  approvalsOf(runId: RunId): readonly StoredApproval[] {
    return this.approvalsIn(runId).all;
  }

  private approvalsIn(runId: RunId): MemoryApprovals {
    return this.approvals.get(runId) ?? MemoryApprovals.NONE;
  }

  /** What storage's inbox does: message, counter and due time at once (D5). False where the run is over or unknown. */
  deliver(tenantId: string, runId: RunId, kind: InboxMessage['kind'], payload: JsonObject): boolean {
    const row = this.rows.get(runId);
    if (row?.tenantId !== tenantId || isTerminal(row.row.status)) return false;
    const inboxSeq = row.inboxSeq + 1;
    this.rows.set(runId, {
      ...row,
      inboxSeq,
      inbox: [...row.inbox, { inboxSeq, kind, payload: structuredClone(payload) }],
      wakeAt: Math.min(row.wakeAt ?? Infinity, this.now()),
      cancelRequested: row.cancelRequested || kind === 'cancel',
    });
    return true;
  }

  /** Gives the lease to another holder, as the claim of an expired or due row does. */
  claim(runId: RunId, token: string): void {
    const row = this.rows.get(runId);
    if (row !== undefined) this.rows.set(runId, { ...row, token, wakeAt: null });
  }

  read(runId: RunId): StoredRun | null {
    return this.rows.get(runId) ?? null;
  }

  private writeAll(): void {
    this.scheduled = false;
    const taken: [UnitSource, Unit][] = [];
    const ids = new Set<RunId>();
    for (const source of this.waiting) {
      // One unit of a run in a batch (D3); the other source stays announced.
      if (ids.has(source.runId)) continue;
      this.waiting.delete(source);
      const unit = source.takeUnit();
      if (unit === null) continue;
      ids.add(source.runId);
      taken.push([source, unit]);
    }
    const outcomes = taken.map(([source, unit]) => [source, this.write(unit)] as const);
    for (const [source, outcome] of outcomes) source.unitSettled(outcome);
    if (this.waiting.size > 0 && !this.scheduled) {
      this.scheduled = true;
      this.defer(() => this.writeAll());
    }
  }

  private write(unit: Unit): UnitOutcome {
    const row = this.rows.get(unit.runId);
    const at = Math.max(this.now(), row?.at ?? 0);
    if (unit.create !== null) {
      if (row !== undefined) return { kind: 'refused', reason: 'an execution with this id exists' };
      const fresh = {
        inboxSeq: 0,
        inbox: [],
        events: [],
        snapshot: null,
        lastSeq: 0,
        cancelRequested: false,
        tenantId: unit.tenantId,
        wakeAt: null,
        parent: unit.create.parent,
      };
      if (!this.canBeBorn(unit)) return { kind: 'refused', reason: 'a run of this place exists' };
      this.store(unit, { ...fresh, row: unit.row, token: unit.token, inboxConsumed: 0, result: undefined, at }, at);
      return { kind: 'committed', at };
    }
    if (row === undefined || unit.token === null || row.token !== unit.token || row.lastSeq !== unit.expectedSeq) return { kind: 'lost' };
    const callsTooLate = fallsToCancel(unit.children) && row.cancelRequested;
    if (unit.end !== null || unit.release !== null || callsTooLate) {
      if (row.inboxSeq !== unit.seenInbox) return { kind: 'inbox_moved' };
      if (unit.end !== null && row.cancelRequested && unit.row.status !== 'cancelled') {
        return { kind: 'refused', reason: 'its cancel was acknowledged: nothing but CANCELLED may end it' };
      }
      if (callsTooLate) return { kind: 'refused', reason: 'its cancel was acknowledged: it may call nothing any more' };
    }
    if (!this.canBeBorn(unit)) return { kind: 'refused', reason: 'a run of this place exists' };
    this.store(unit, row, at);
    const cancelUnread = row.cancelRequested && row.inboxSeq > unit.seenInbox;
    return { kind: 'committed', at, ...(cancelUnread ? { cancelUnread } : {}) };
  }

  /** One called run per step, wave and item; and no unit calls without an event that says so. */
  private canBeBorn({ children, events }: Unit): boolean {
    if (children.length === 0) return true;
    const places = new Set([...this.rows.values()].flatMap(({ parent }) => (parent === null ? [] : [placeOf(parent)])));
    return (
      events.length > 0 &&
      children.every(({ run }) => !this.rows.has(run.id) && !places.has(run.parent === null ? '' : placeOf(run.parent)))
    );
  }

  private store(unit: Unit, before: Row, at: number): void {
    this.storeOne(unit, before, at);
    if (unit.approvals) this.approvals.set(unit.runId, this.approvalsIn(unit.runId).withUnit(unit.approvals));
    for (const child of unit.children) this.write(birthOf(child));
    const ended = childEnded(unit, JSON.stringify(unit.end?.result ?? null).length);
    if (ended !== null) this.deliver(unit.tenantId, ended.parentId, 'child_ended', ended.payload);
  }

  private storeOne(unit: Unit, before: Row, at: number): void {
    const holds = unit.end === null && unit.release === null;
    const lastSeq = unit.expectedSeq + unit.events.length;
    const unleased = unit.create !== null && unit.token === null && holds;
    this.rows.set(unit.runId, {
      ...before,
      row: structuredClone(unit.row),
      // What a database would give back: undefined fields are gone, nothing is shared with the run.
      events: [...before.events, ...unit.events.map((event) => JSON.parse(JSON.stringify(event)) as RunEvent)],
      lastSeq,
      snapshot: unit.end ? null : unit.snapshot === null ? before.snapshot : { seq: lastSeq, state: JSON.parse(unit.snapshot) as Json },
      token: holds ? unit.token : null,
      inboxConsumed: unit.seenInbox,
      inbox: before.inbox.filter((message) => message.inboxSeq > unit.seenInbox),
      wakeAt: unleased ? at : holds ? before.wakeAt : (unit.release?.wakeAt ?? null),
      result: unit.end === null ? before.result : structuredClone(unit.end.result),
      at,
    });
  }
}

const placeOf = ({ runId, step, wave, item }: EngineParent): string => JSON.stringify([runId, step, wave, item]);
