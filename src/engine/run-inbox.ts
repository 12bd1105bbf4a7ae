import { type Overdue, OverdueApprovals, type OverdueRun } from './overdue-approvals.js';
import { type InboxMessage, type RunStore } from './ports.js';
import { type Stimulus } from './run/decision.js';
import { stimulusOf } from './run/messages.js';

/** The inbox of a claimed run is asked for again so long after the store failed to answer. */
const READ_AGAIN_MS = 500;

/** What is asked of the run whose inbox it is. */
export interface InboxRun extends Omit<OverdueRun, 'decided'> {
  readonly store: Pick<RunStore, 'readInbox' | 'expireApproval'>;
  /** True where the run is over here. */
  isOver(): boolean;
  /** True where it is being given back: it hears what it is told, and begins nothing. */
  isGivenBack(): boolean;
  /** A claimed run goes on, with all that it was told before. */
  pickUp(heard: readonly Stimulus[]): void;
  /** It was told something. */
  hear(stimulus: Stimulus): void;
  /** All that was read is heard. @param wasAwaited what it had to hear before anything else is among it */
  heard(wasAwaited: boolean): void;
  /** Runs what may fail. */
  guard(work: () => void): void;
}

/** Reads what others tell a run (D5): each message is heard once, in order. What they decided about its approvals is there as well. */
export class RunInbox {
  /** Null until an approval is overdue. */
  private overdue: OverdueApprovals | null = null;
  private toldMeanwhile = false;
  /** It was read so often. */
  private reads = 0;
  /** The read that has to be answered first; 0: none. */
  private awaitedRead = 0;

  /**
   * @param seenSeq highest inbox_seq that was read
   * @param picksUpLater there are messages that no holder has read: until they are read the run decides nothing
   */
  constructor(
    private readonly run: InboxRun,
    private seenSeq: number,
    private picksUpLater: boolean,
  ) {}

  /** Highest inbox_seq that was heard. */
  get seen(): number {
    return this.seenSeq;
  }

  /** A commit told of a cancel that is not heard yet: until it is no effect begins (D28). */
  get awaitsCancel(): boolean {
    return this.awaitedRead > 0;
  }

  /** A claimed run with unread messages reads them before it begins anything: they may say that it shall not. */
  pickUp(): void {
    if (this.picksUpLater) this.readAndPickUp();
    else this.pickUpWith([]);
  }

  private readAndPickUp(): void {
    this.ask().then(
      (messages) => this.run.guard(() => this.pickUpWith(messages)),
      (error: unknown) => {
        this.run.unheard(error);
        this.run.clock.after(READ_AGAIN_MS, () => {
          if (!this.run.isOver() && !this.run.isGivenBack()) this.readAndPickUp();
        });
      },
    );
  }

  private pickUpWith(messages: readonly InboxMessage[]): void {
    if (this.run.isOver() || this.run.isGivenBack()) return;
    this.picksUpLater = false;
    const heard = messages.flatMap((message) => stimulusOf(message) ?? []);
    this.seenSeq = messages.at(-1)?.inboxSeq ?? this.seenSeq;
    this.run.pickUp(heard);
    if (this.toldMeanwhile) this.read();
  }

  /** Others have told the run something: reads it. Safe to call at any time, also twice. */
  read(): void {
    if (this.run.isOver()) return;
    if (this.picksUpLater && !this.run.isGivenBack()) return void (this.toldMeanwhile = true);
    const read = ++this.reads;
    this.ask().then(
      (messages) => this.run.guard(() => this.receive(messages, read)),
      (error: unknown) => {
        this.run.unheard(error);
        if (read !== this.awaitedRead) return;
        this.run.clock.after(READ_AGAIN_MS, () => {
          if (read === this.awaitedRead) this.awaitCancel();
        });
      },
    );
  }

  /** Hints and polls may have been lost together with the database; a cancel that a commit tells of is heard before what that commit allows. */
  awaitCancel(): void {
    this.awaitedRead = this.reads + 1;
    this.read();
  }

  /** The time of an approval is over: unless it was decided before, which is then read, nobody decides it any more. */
  askOverdue(overdue: Overdue): void {
    this.overdue ??= new OverdueApprovals({
      ...this.run,
      isOver: () => this.run.isOver() || this.run.isGivenBack(),
      decided: () => this.read(),
    });
    this.overdue.ask(overdue);
  }

  private receive(messages: readonly InboxMessage[], read: number): void {
    if (this.run.isOver()) return;
    const wasAwaited = this.awaitedRead > 0 && read >= this.awaitedRead;
    if (wasAwaited) this.awaitedRead = 0;
    for (const message of messages) {
      if (message.inboxSeq <= this.seenSeq) continue;
      this.seenSeq = message.inboxSeq;
      const stimulus = stimulusOf(message);
      if (stimulus) this.run.hear(stimulus);
    }
    this.run.heard(wasAwaited);
  }

  private ask(): Promise<readonly InboxMessage[]> {
    const { store, tenantId, runId } = this.run;
    return store.readInbox(tenantId, runId, this.seenSeq);
  }
}
