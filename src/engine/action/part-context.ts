import { recordFault } from '../storability.js';
import { StepFailure } from '../step-executor.js';
import { Rendering } from '../template/rendering.js';
import { type CompiledAction } from '../playbook/compiled.js';
import { leavesCalls } from '../run/left-calls.js';
import { findPart, isUnderWay, type PartEnd, type PartRecord } from '../run/parts.js';
import { type SaveOutcome } from '../run/save-outcome.js';
import { Moment } from '../run/moment.js';
import { RunScope, type StepView } from '../run/run-scope.js';
import { Activity } from './activity.js';
import { Journal } from './journal.js';
import { type ProgramHost } from './program-host.js';
import { Turns } from './turns.js';

/** How a nested task ended. */
export interface TaskEnd {
  readonly end: PartEnd;
  readonly attempt: number;
  readonly logs?: string | undefined;
  /** What its saves to the execution itself keep beside its value. */
  readonly saves?: readonly SaveOutcome[];
  /** About how long the record of it is. */
  readonly characters: number;
}

/** Runs a nested task from where its records end; see `runTask`. */
export type RunTask = (context: PartContext, action: CompiledAction, path: string, view: StepView, element: string) => Promise<TaskEnd>;

/** What all parts of one program share. */
export class PartContext {
  readonly journal: Journal;
  readonly activity: Activity;
  private readonly turns: Turns;
  /** Calls that were asked to end. */
  private readonly taken = new Set<string>();

  constructor(readonly host: ProgramHost) {
    const { firing, state } = host;
    const isPausing = (): boolean => !firing.undoes && state.pause !== 'none';
    this.activity = new Activity(host.clock, host.signal, isPausing, (what) => (what === 'held' ? this.held() : host.asleep(what)));
    this.turns = Turns.of(host.clock);
    const { activity } = this;
    // In a run that has failed nothing is tried again: what sleeps learns of it at once (D27).
    host.onHalt(() => (firing.undoes ? undefined : state.failure ? activity.wakeAll() : activity.review()));
    this.journal = new Journal(
      host.clock,
      (events) => activity.during(host.write(events)),
      (work) => activity.during(work),
    );
  }

  /** What the history knows of a part. */
  find(path: string): PartRecord | undefined {
    const { parts } = this.host.firing;
    return parts ? findPart(parts, path) : undefined;
  }

  /**
   * Asked before each part: in a run that has failed nothing begins, and in one that is to pause nothing for now (D27, D28).
   * @param path of a part that may be under way already, where this program was made again: then it comes to its end, as under its former holder
   */
  async mayBegin(path?: string): Promise<void> {
    const { state, signal, firing } = this.host;
    for (;;) {
      if (signal.aborted) throw signal.reason;
      // What undoes goes on, whatever else has happened.
      if (firing.undoes) return;
      const known = path === undefined ? undefined : this.find(path);
      if (known && isUnderWay(known)) return;
      if (state.failure) throw new StepFailure('cancelled', 'The part was not begun.', { retryable: false, origin: 'abort' });
      if (state.pause === 'none') return;
      void this.journal.flush();
      await this.activity.hold();
    }
  }

  /**
   * Begins a part once it may. Asked in the very turn in which it begins: of many that wait, the first may use a turn up, or take the run far ahead.
   * @param path as in `mayBegin`
   */
  async begin<T>(path: string, work: () => Promise<T>): Promise<T> {
    await this.mayBegin(path);
    for (let wait = this.mustWait(); wait; wait = this.mustWait()) {
      await this.activity.during(wait);
      await this.mayBegin(path);
    }
    return work();
  }

  /** What a part that is to begin waits for: the commit where the run is far ahead of it (D17), else the next turn where this one is used up. */
  private mustWait(): Promise<void> | null {
    return this.host.isFarAhead() ? this.host.committed() : this.turns.wait();
  }

  /** Sleeps until an attempt is due (epoch ms), and may begin it then. */
  async mayBeginAt(due: number): Promise<void> {
    const { state, firing } = this.host;
    if (!state.failure || firing.undoes) await this.activity.sleepUntil(due);
    await this.mayBegin();
  }

  /** Whoever is aborted takes what it called along (D27), and that is stored before it ends itself; but where a cancel says that it goes on. */
  async takeAlong(childIds: readonly string[]): Promise<void> {
    const { host, taken } = this;
    const left = leavesCalls(host.state, host.firing) ? [] : childIds.filter((id) => !taken.has(id));
    for (const id of left) taken.add(id);
    await Promise.all(left.map((id) => host.cancelChild(id)));
  }

  /** The program is made again from its records, so these come first. */
  private held(): void {
    if (this.journal.isBehind) return void this.journal.flush();
    this.activity.letGo();
    this.host.held();
  }

  scope(view: StepView): RunScope {
    const { playbook, state, facts } = this.host;
    return new RunScope(playbook, state, facts, view);
  }

  /** A rendering session of one part: its own budget and its own now(). */
  rendering(): Rendering {
    return new Rendering(new Moment(this.host.world));
  }
}

/** @throws StepFailure where it cannot be recorded (D7) */
export function checkRecord(record: unknown): void {
  const fault = recordFault(record);
  if (fault) throw new StepFailure(fault.code, fault.message, { retryable: false });
}

export const join = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`);
