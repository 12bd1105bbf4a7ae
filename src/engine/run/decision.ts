import { SecretSession } from '../auth/secret-markers.js';
import { type CompiledPlaybook } from '../playbook/compiled.js';
import { RECORD_DEPTH, StorabilityCheck } from '../storability.js';
import { type ChildEnded, type EndedBirth, type NewRun } from '../ports.js';
import { type AnsweredAsk, StepFailure, type StepResult } from '../step-executor.js';
import { type ApprovalTaken } from '../approvals.js';
import { Rendering } from '../template/rendering.js';
import { type Json } from '../values.js';
import { applyEvent } from './apply.js';
import { type PartsEvent } from '../action/journal.js';
import { type ItemFailure, type RunEvent, type SaveOutcome, type TerminalEvent } from './events.js';
import { Moment, type World } from './moment.js';
import { type RunFacts } from './run-scope.js';
import { type RunState } from './run-state.js';

/** An execution that is called: born with the unit of the events that come with it. */
export interface CalledRun {
  readonly run: NewRun;
  readonly ended: EndedBirth | null;
}

/** What a decision may ask of the world; everything else is in the state. */
export interface DecisionWorld extends World {
  /** Server default for `assert` without a mode. */
  readonly assertMode: 'fail' | 'warn';
  /** Server default for saves without on_error (playbook language §8). */
  readonly saveErrors: 'fail' | 'continue';
}

/** What happened outside that the run must react to. */
export type Stimulus =
  /** `kept`: history of an earlier execution that this one goes on from. */
  | { readonly kind: 'start'; readonly kept?: readonly RunEvent[] }
  /** Go on after a bounded decision, or after a claim. */
  | { readonly kind: 'continue' }
  | {
      readonly kind: 'settled';
      readonly step: number;
      readonly wave: number;
      readonly outcome: AttemptOutcome;
      readonly durationMs: number;
      /** What the saves of the step came to, where they were what ran. */
      readonly saves?: readonly SaveOutcome[];
      readonly itemErrors?: readonly ItemFailure[];
      readonly warnings?: readonly string[];
    }
  /** What a program tells of the parts of its action. */
  | {
      readonly kind: 'parts';
      readonly step: number;
      readonly wave: number;
      readonly events: readonly PartsEvent[];
      /** What is to be born with the unit of these events. */
      readonly child?: CalledRun;
    }
  /** An execution that this one called has ended. */
  | { readonly kind: 'child_ended'; readonly ended: ChildEnded }
  /** A program has come to rest because the run is to pause. */
  | { readonly kind: 'held'; readonly step: number; readonly wave: number }
  /** A parked retry or wait is due. */
  | { readonly kind: 'due'; readonly step: number; readonly wave: number }
  | { readonly kind: 'signal'; readonly name: string; readonly payload: Json; readonly wave?: number; readonly by?: string }
  /** A principal has decided about an approval. */
  | { readonly kind: 'approval'; readonly taken: ApprovalTaken }
  /** The time of an approval is over, and its row is closed: no decision can be taken any more. */
  | { readonly kind: 'approval_expired'; readonly step: number; readonly wave: number }
  | { readonly kind: 'pause'; readonly reason: string | null; readonly by?: string }
  | { readonly kind: 'resume'; readonly by?: string }
  | { readonly kind: 'cancel'; readonly reason: string | null; readonly force: boolean; readonly cascade?: false; readonly by?: string };

export type AttemptOutcome = { readonly ok: true; readonly result: StepResult } | { readonly ok: false; readonly failure: StepFailure };

/** An attempt the orchestrator performs now. `effect`: only after every event so far is committed (D20). */
export interface Perform {
  readonly step: number;
  readonly wave: number;
  readonly attempt: number;
  readonly request: Json;
  readonly timeoutMs: number | null;
  readonly effect: boolean;
  /** It was under way when its holder was lost, and may have acted: a run that has failed awaits it like one that was not lost (D27). */
  readonly mayHaveActed?: true;
  /** What came back to its questions; null where it asked none. */
  readonly answered: AnsweredAsk | null;
  /** It is composite: its parts are recorded one by one, and it is made from its records. */
  readonly isProgram: boolean;
}

/** What the orchestrator does next. Events are applied to the state already; the terminal event is not, it waits for its commit. */
export interface Decision {
  readonly events: RunEvent[];
  readonly performs: Perform[];
  /** Called executions that nobody awaits any more: they are asked to end before this run does (D27). */
  readonly orphans: string[];
  /** Executions that are born with these events. */
  readonly children: CalledRun[];
  readonly timers: { readonly step: number; readonly wave: number; readonly dueAt: number }[];
  /** Approvals whose time is over: the store closes those that are still open, and says what became of them. */
  readonly overdue: { readonly step: number; readonly wave: number }[];
  /** Steps whose attempt must be aborted. */
  readonly aborts: number[];
  finish: { readonly event: TerminalEvent; readonly result: Json } | null;
  /** True where a bound of one decision was reached, of events, characters or time: feed `continue`. */
  more: boolean;
  /** About how many characters of JSON the events have: what run-ahead is bounded by (D17). */
  characters: number;
}

/** A decision that has taken so many milliseconds leaves what else there is to do to another one, so that no playbook holds the process (R14). */
const MS_PER_DECISION = 20;

/** One decision in the making: the state it changes, and what it collects. */
export class Deciding {
  readonly decision: Decision = {
    events: [],
    performs: [],
    children: [],
    orphans: [],
    timers: [],
    overdue: [],
    aborts: [],
    finish: null,
    more: false,
    characters: 0,
  };

  /** Monotonic ms at which it is to come to its end. */
  private readonly until: number;

  constructor(
    readonly playbook: CompiledPlaybook,
    readonly state: RunState,
    readonly facts: RunFacts,
    readonly world: DecisionWorld,
  ) {
    this.until = world.monotonic() + MS_PER_DECISION;
  }

  /** Looked at between one step and the next: the templates of one have a limit of their own. */
  get isOutOfTime(): boolean {
    return this.world.monotonic() >= this.until;
  }

  emit(event: RunEvent): void {
    this.decision.events.push(event);
    applyEvent(this.state, this.playbook, event);
  }

  /**
   * Whether what a step is about to record can be stored, wherever it came from (D7); asked before the event is made, so that
   * a value that cannot fails its step and not the run's unit. Each record has the limit of a value to itself.
   * @throws StepFailure result_not_storable, result_too_large
   */
  checkStorable(...records: readonly unknown[]): void {
    for (const record of records) {
      if (record === null) continue;
      const check = new StorabilityCheck(RECORD_DEPTH, true);
      const fault = check.faultOf(record);
      if (fault) throw new StepFailure(fault.code, fault.message, { retryable: false });
      this.decision.characters += check.characters;
    }
  }

  /** Counts what an event that is known to be storable has to say. */
  count(record: unknown): void {
    const check = new StorabilityCheck(RECORD_DEPTH, true);
    check.faultOf(record);
    this.decision.characters += check.characters;
  }

  /** A rendering session for one step: its own budget and its own now(). */
  rendering(): Rendering {
    const rendering = new Rendering(new Moment(this.world));
    // What `secrets` steps leave is text that nothing may look into.
    if (this.facts.mayHoldSecrets) rendering.secrets = new SecretSession(() => rendering.nonce(), false);
    return rendering;
  }
}
