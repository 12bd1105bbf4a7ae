import { type CompiledPlaybook } from './playbook/compiled.js';
import { type BornChild, type HeldRun, type NewRun, type RowState, type Unit } from './ports.js';
import { type Decision } from './run/decision.js';
import { type RunEvent } from './run/events.js';
import { type RunState } from './run/run-state.js';
import { encodeState, SNAPSHOT_EVERY } from './run/snapshot.js';
import { unitApprovals } from './run/unit-approvals.js';

/** Events a run may decide ahead of its last commit (D17). */
const RUN_AHEAD_EVENTS = 256;
const RUN_AHEAD_CHARACTERS = 1024 * 1024;

/** What D16 counts as progress: something ended, or a wait began; not a mere start. */
const PROGRESS: ReadonlySet<RunEvent['type']> = new Set([
  'step_completed',
  'step_failed',
  'step_timed_out',
  'step_skipped',
  'step_waiting',
  'action_retry',
  'action_completed',
  'action_acted',
  'loop_iteration',
  'execution_paused',
  'compensation_completed',
  'compensation_failed',
  'compensation_skipped',
]);

/** What was handed to the store, outcome unknown. */
export interface Flight {
  /** Those of the unit but for the one that ends the run. */
  readonly events: readonly RunEvent[];
  /** About how many characters of JSON they have. */
  readonly characters: number;
  readonly unit: Unit;
}

/** What a run has decided and its history does not hold yet: it gathers until the store asks for a unit, and is in flight until that is settled. */
export class Outbox {
  /** seq of the newest event that is committed. */
  committedSeq: number;
  /** Whether the run has a row. */
  isStored: boolean;
  private pending: RunEvent[] = [];
  private pendingCharacters = 0;
  /** Executions to be born with the next unit. */
  private unborn: BornChild[] = [];
  private inFlight: Flight | null = null;
  private readonly run: NewRun;
  private readonly token: string;
  /** seq of the last snapshot that was stored or tried. */
  private snapshotSeq: number;
  /** The state is no longer what the history comes to. */
  private isReplaced = false;

  constructor(
    { run, token, history }: HeldRun,
    private readonly playbook: CompiledPlaybook,
    private readonly state: RunState,
  ) {
    this.run = run;
    this.token = token;
    this.committedSeq = state.seq;
    this.isStored = history !== null;
    this.snapshotSeq = history?.snapshot?.seq ?? 0;
  }

  /** Size of what is pending. */
  get characters(): number {
    return this.pendingCharacters;
  }

  /** Decided and not yet handed to the store. */
  get unsent(): readonly RunEvent[] {
    return this.pending;
  }

  get isInFlight(): boolean {
    return this.inFlight !== null;
  }

  /** Something is decided that is not committed. */
  get isAhead(): boolean {
    return this.state.seq > this.committedSeq;
  }

  /** So much is that nothing more may be decided before the next commit (D17). */
  get isFarAhead(): boolean {
    const characters = this.pendingCharacters + (this.inFlight?.characters ?? 0);
    return this.state.seq - this.committedSeq >= RUN_AHEAD_EVENTS || characters >= RUN_AHEAD_CHARACTERS;
  }

  /** @param characters about how many characters of JSON the events have */
  add(events: readonly RunEvent[], characters: number): void {
    for (const event of events) this.pending.push(event);
    this.pendingCharacters += characters;
  }

  /** @param tokenFor of one that is to be taken up here at once */
  bear({ run, ended }: Decision['children'][number], tokenFor: () => string | null): void {
    const undoes = (this.playbook.byName.get(run.parent?.step ?? '')?.undoes ?? null) !== null;
    this.unborn.push({ run, ended, token: ended ? null : tokenFor(), ...(undoes ? { undoes } : {}) });
    this.pendingCharacters += ended?.characters ?? 0;
  }

  /** Whether it is born with the unit in flight. */
  isBearing(childId: string): boolean {
    return this.inFlight?.unit.children.some(({ run }) => run.id === childId) === true;
  }

  /** A run that is being cancelled has nobody begin any more (D29), but to undo what it did; by force, not even that. */
  dropUnborn(isForced: boolean): void {
    this.unborn = this.unborn.filter(({ ended, undoes }) => ended !== null || (undoes && !isForced));
  }

  /** What is pending, as a unit in flight. @param ends what ends the run with it; null: it goes on */
  take(ends: Decision['finish'], row: RowState, release: Unit['release'], seenInbox: number): Unit {
    const { run, playbook, state, pending: events } = this;
    this.pending = [];
    const written = ends ? [...events, ends.event] : events;
    const approvals = unitApprovals(playbook, run, state, written, ends !== null);
    const unit: Unit = {
      runId: run.id,
      tenantId: run.tenantId,
      token: this.token,
      create: this.isStored ? null : run,
      expectedSeq: this.committedSeq,
      events: written,
      row,
      end: ends ? { result: ends.result } : null,
      release,
      seenInbox,
      recordsProgress: events.some((event) => PROGRESS.has(event.type)),
      snapshot: ends ? null : this.snapshotAt(this.committedSeq + written.length),
      children: this.unborn,
      ...(approvals ? { approvals } : {}),
      parent: run.parent,
    };
    this.unborn = [];
    this.inFlight = { events, characters: this.pendingCharacters, unit };
    this.pendingCharacters = 0;
    return unit;
  }

  /** The state, where it is due and just what the history is with this unit; one that is too long is tried again much later. */
  private snapshotAt(seq: number): string | null {
    if (!this.isStored || seq - this.snapshotSeq < SNAPSHOT_EVERY || seq !== this.state.seq || this.isReplaced) return null;
    this.snapshotSeq = seq;
    return encodeState(this.state);
  }

  /** The outcome of the unit in flight is known. @returns null where there is none */
  settled(): Flight | null {
    const flight = this.inFlight;
    this.inFlight = null;
    return flight;
  }

  committed({ expectedSeq, events }: Unit): void {
    this.isStored = true;
    this.committedSeq = expectedSeq + events.length;
  }

  /** Nothing of it was written: it travels again, ahead of what was decided meanwhile. */
  takeBack({ events, characters, unit }: Flight): void {
    this.pending = [...events, ...this.pending];
    this.pendingCharacters += characters;
    this.unborn = [...unit.children, ...this.unborn];
    // A cancel may have been heard meanwhile: then nobody is born with it any more.
    if (this.state.cancel) this.dropUnborn(this.state.cancel.force);
  }

  /** Records these events in the place of all that were decided: nobody is born, and no snapshot is taken any more. */
  replace(events: RunEvent[]): void {
    this.pending = events;
    this.pendingCharacters = 0;
    this.unborn = [];
    this.isReplaced = true;
  }
}
