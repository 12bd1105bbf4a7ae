import { Orchestrator } from '../../src/engine/orchestrator.js';
import { compensatedStep } from '../../src/engine/playbook/compensation-name.js';
import { type Unit } from '../../src/engine/ports.js';
import { isTerminal } from '../../src/engine/run/events.js';
import { type RunState } from '../../src/engine/run/run-state.js';
import { encodeEvent } from '../../src/storage/history/event-codec.js';
import { POISON_ATTEMPTS, SUSPECT_ATTEMPTS } from '../../src/storage/claiming/claim.js';
import { MODE } from '../../src/storage/batch/pending-unit.js';
import { approvalsNow } from './approvals.js';
import { type EffectCall } from './effects.js';
import { finalChecks } from './final-checks.js';
import { withoutRenderer } from '../../src/engine/testing/without-renderer.js';
import { comparable, replay } from './replay.js';
import { isWeather } from './network.js';
import { type Change, type Claimed, type Written } from './simulated-database.js';
import { type SimulatedNode } from './simulated-node.js';
import { endsPart, partsRecorded, tellsOfParts } from './parts.js';
import { eventOf, type EventRow, type Stored } from './tables.js';
import { type World } from './world.js';

const TERMINAL: Readonly<Record<string, string>> = {
  execution_completed: 'completed',
  execution_failed: 'failed',
  execution_cancelled: 'cancelled',
};
const SETTLES = new Set([
  ...['step_completed', 'step_failed', 'step_timed_out', 'step_skipped'],
  ...['compensation_completed', 'compensation_failed'],
]);
/** What must not happen while an execution is paused. */
const STARTS = new Set(['step_started', 'step_waiting']);
/** After these nothing starts any more. */
const CUTS = new Set(['cancel_requested', 'execution_failing']);
/** A row that is given back with a time is due after so many milliseconds at the latest, whatever is in its inbox. */
const GIVEN_BACK_MS = 5_500;
/** Faults of the service that its log may tell of where the world is as bad as here. */
const EXPECTED_ERRORS = new Set(['an execution is ended as poison']);

/** What must hold at every moment, asked at every commit and every effect. */
export class Checks {
  /** When each execution was claimed last. */
  private readonly claimedAt = new Map<string, number>();
  /** The newest event of each execution when it was first told to cancel. */
  private readonly toldToCancelAfter = new Map<string, number>();
  /** Who got each lease token. */
  private readonly holders = new Map<string, string>();
  /** Lives of nodes whose machine slept, and how often. */
  private readonly sleeps = new Map<string, number>();
  private readonly goesOnSince = new Map<string, number>();
  private readonly zombies = new Map<string, number>();
  private readonly blind: readonly ReturnType<typeof withoutRenderer>[];

  constructor(private readonly world: World) {
    this.blind = world.programs.map(withoutRenderer);
  }

  /** A process that stood still goes on: meanwhile it could hear nothing. */
  wentOn(node: SimulatedNode): void {
    this.goesOnSince.set(node.process.name, this.world.scheduler.now);
  }

  slept(node: SimulatedNode): void {
    this.sleeps.set(node.process.name, (this.sleeps.get(node.process.name) ?? 0) + 1);
  }

  /** An error line of the service. */
  fault(runId: string | null, message: string, error: unknown): void {
    if (!EXPECTED_ERRORS.has(message) && !isWeather(error))
      this.violate('R4', runId, `${message}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  /** Right after a commit. */
  changed(change: Change): void {
    const stored = this.world.database.executions.get(change.id)!;
    this.note(change, stored);
    if (change.before && isTerminal(change.before.status)) this.violate('C3', change.id, `a finished execution was ${change.kind}`);
    if (change.kind === 'claimed' || change.kind === 'swept') this.claimed(change, stored);
    if (change.kind === 'unit' || change.kind === 'created') this.written(change, stored);
    if (change.kind === 'delivered' && change.message.kind === 'cancel' && !this.toldToCancelAfter.has(change.id))
      this.toldToCancelAfter.set(change.id, stored.row.last_seq);
    this.row(stored);
  }

  /** Right before an effect begins. */
  effectBegins(call: EffectCall, node: SimulatedNode): void {
    const { executionId: id, step, wave, part, attempt, claimNo, idempotencyKey } = call;
    const where = `${step}#${wave}${part && `/${part}`} attempt ${attempt} (claim ${claimNo})`;
    const stored = this.world.database.executions.get(id);
    const place = `${id}/${step}/${wave}/${part || '-'}`;
    if (idempotencyKey !== `${place}/action`) this.violate('D21', id, `the key of ${where} is ${idempotencyKey}`);

    const of = (type: string, more: (content: EventRow['content']) => boolean = () => true): EventRow | undefined =>
      stored?.events.find((event) => event.event_type === type && event.step === step && isOf(event, wave) && more(event.content));
    const undoes = compensatedStep(step) !== null;
    const started = of(undoes ? 'compensation_started' : 'step_started');
    if (!stored || !started) return this.violate('D20', id, `the effect ${where} begins before its step_started is committed`);
    const begun =
      part === '' ? started : of('action_started', ({ parts }) => parts!.some((each) => each.path === part && each.attempt === attempt));
    if (!begun) return this.violate('D20', id, `the effect ${where} begins before its action_started is committed`);
    const retry =
      attempt === 1 ? undefined : of('action_retry', (content) => content.attempt === attempt - 1 && (content.path ?? '') === part);
    if (attempt > 1 && !retry) this.violate('D20', id, `the effect ${where} begins before the retry is committed`);
    const again = part === '' && retry ? of('step_woken', (content) => content.reason === 'retry' && content.attempt === attempt) : retry;
    if (retry && !again) this.violate('D20', id, `the effect ${where} begins before its start is committed`);
    const dueAt = retry ? Number(retry.content.dueAt) : 0;
    if (dueAt > this.world.database.clock())
      this.violate('C5', id, `the effect ${where} begins ${dueAt - this.world.database.clock()} ms before it is due`);

    // Who claims it afterwards reads its inbox first; who held it, and never slept, has had a lease's time to hear of its cancel while it ran.
    const cancelledAt = this.world.clients.cancels.get(id) ?? Infinity;
    const claimedAt = stored.row.claim_no === claimNo ? (this.claimedAt.get(id) ?? 0) : 0;
    const ranSince = Math.max(cancelledAt, this.goesOnSince.get(node.process.name) ?? 0);
    const heardBy = claimedAt > cancelledAt ? cancelledAt : ranSince + this.world.scenario.leaseMs + 2_000;
    // An action that ends in spite of the cancel is saved like any other: it is over then, and can be undone.
    const isSave = /(^|\/)s\d+$/.test(part);
    // Whoever hears that this was stored hears of the cancel in the same answer.
    const allowed = Math.max(begun.seq, again?.seq ?? 0);
    if (!undoes && !isSave && allowed > (this.toldToCancelAfter.get(id) ?? Infinity))
      this.violate('D28', id, `the effect ${where} begins although what allows it was stored after its cancel`);
    if (!undoes && !isSave && this.world.scheduler.now > heardBy && !this.sleeps.has(node.process.name))
      this.violate('D28', id, `the effect ${where} begins after its cancel was acknowledged`);

    if (stored.row.status === 'paused') this.violate('D28', id, `the effect ${where} begins while it is paused`);
    const isOver =
      this.isLost(stored, started) ||
      stored.events.some((event) => event.step === step && isOf(event, wave) && (SETTLES.has(event.event_type) || endsPart(event, part))) ||
      isTerminal(stored.row.status);
    const isHolder =
      stored.row.claim_no === claimNo && stored.row.lease_token !== null && stored.row.lease_until! > this.world.database.clock();
    if (isHolder && !isOver) return;
    // The one zombie call that cannot be helped: the machine slept between the check and the call, or thinks so.
    const zombie = `${node.process.name} ${place}`;
    const times = (this.zombies.get(zombie) ?? 0) + 1;
    this.zombies.set(zombie, times);
    if (times <= (this.sleeps.get(node.process.name) ?? 0)) return;
    if (isOver) this.violate('D15', id, `the effect ${where} begins after its step was over`);
    else this.violate('D13', id, `the effect ${where} begins without a live lease (the row's claim is ${stored.row.claim_no})`);
  }

  /** Whether a join has gone on without a firing that can lead nowhere else: nothing of it begins any more. */
  private isLost({ row, events }: Stored, { step, seq }: EventRow): boolean {
    const playbook = this.world.programs[Number(row['catalog_id'])]!;
    const index = playbook.byName.get(step!)!.index;
    return playbook.steps.some(
      ({ name, join }) =>
        join?.losers.has(index) && events.some((event) => event.step === name && event.seq > seq && event.event_type === 'step_completed'),
    );
  }

  /** A node heard that a unit of its was committed: it is what is stored, and what the node has in memory is what the history says. */
  committed(node: SimulatedNode, unit: Unit): void {
    const source = node.sources.get(unit.runId);
    const stored = this.world.database.executions.get(unit.runId);
    if (!stored) return this.violate('C1', unit.runId, `${node.process.name} was told that a unit is committed, and there is no execution`);
    const isStored = unit.events.map(encodeEvent).every(({ type, body }, at) => {
      const event = stored.events[unit.expectedSeq + at];
      return event?.event_type === type && event.body === body;
    });
    const isResult = !unit.end || JSON.stringify(unit.end.result) === JSON.stringify(stored.result);
    if (!isStored || !isResult)
      this.violate('D9', unit.runId, `${node.process.name} was told that a unit is committed that is not what is stored`);
    if (!(source instanceof Orchestrator)) return;
    const seq = unit.expectedSeq + unit.events.length;
    const state = (source as unknown as { readonly state: RunState }).state;
    const live = unit.end ? seq - 1 : seq;
    // Where it has decided more since, there is nothing to compare yet; most comparisons of what goes on are left out for speed.
    if (state.seq !== live || (!unit.end && !unit.release && seq % 4 !== 0)) return;
    const playbook = this.blind[Number(unit.create?.catalogId ?? stored.row['catalog_id'])]!;
    const replayed = replay(playbook, stored.events.slice(0, live).map(eventOf));
    if (comparable(replayed) !== comparable(state)) {
      this.violate(
        'D22',
        unit.runId,
        `replay of ${live} events differs from the live state\n  live   ${comparable(state)}\n  replay ${comparable(replayed)}`,
      );
    }
  }

  final(): void {
    finalChecks(this.world, (rule, runId, message) => this.violate(rule, runId, message));
  }

  private written(change: Written, { row, events }: Stored): void {
    const { id, token, before } = change;
    if (token !== null) this.holders.set(token, change.by);
    if (before && before.lease_token !== token)
      this.violate('C4', id, `a unit of ${token} was stored while ${before.lease_token} holds the execution`);
    // Rows of events never change, and those before were asked the same when they were written.
    const old = events.length - change.events;
    const fresh = events.slice(old);
    if (row.last_seq !== events.length || fresh.some(({ seq }, at) => seq !== old + at + 1)) {
      this.violate('C9', id, `seq has gaps or repeats: ${events.map(({ seq }) => seq).join(' ')}, last_seq ${row.last_seq}`);
    }
    for (let at = Math.max(1, old); at < events.length; at++) {
      const { seq, at: time } = events[at]!;
      if (time < events[at - 1]!.at) this.violate('D18', id, `event ${seq} is earlier than the one before`);
    }
    for (const event of fresh) this.recorded(id, event, events);
    approvalsNow(this.world.database.executions.get(id)!, (rule, message) => this.violate(rule, id, message));
    if (before?.status === 'paused') {
      const resumedAt = fresh.findIndex(({ event_type }) => event_type === 'execution_resumed');
      const meanwhile = resumedAt < 0 ? fresh : fresh.slice(0, resumedAt);
      const start = meanwhile.find(({ event_type }) => STARTS.has(event_type));
      if (start) this.violate('D28', id, `${start.event_type} of ${start.step} while it is paused`);
    }
    // An end before these would have made the execution a finished one, which nothing may be written to.
    const ends = fresh.filter(({ event_type }) => event_type in TERMINAL);
    const isOver = isTerminal(row.status);
    if (ends.length !== (isOver ? 1 : 0)) this.violate('C3', id, `${ends.length} terminal events, and the status is ${row.status}`);
    if (isOver && TERMINAL[events.at(-1)!.event_type] !== row.status)
      this.violate('C3', id, `the status is ${row.status}, the last event ${events.at(-1)!.event_type}`);
    const leaves = events.some(({ event_type, content }) => event_type === 'cancel_requested' && content.cascade === false);
    if (isOver && !leaves) {
      for (const { row: child } of this.world.database.executions.values()) {
        if (child['parent_run_id'] === id && !isTerminal(child.status) && child.cancel_requested_at === null)
          this.violate('D27', id, `${row.status}, and what it called (${child.id}) goes on`);
      }
    }
    if (isOver && row.status !== 'cancelled' && before?.cancel_requested_at)
      this.violate('D28', id, `${row.status} although its cancel was acknowledged`);
  }

  /** Results of two holders are never both recorded: each firing settles once, each attempt is retried once. */
  private recorded(id: string, event: EventRow, events: readonly EventRow[]): void {
    const { event_type: type, step, seq } = event;
    const wave = waveOf(event);
    const isRetry = type === 'step_woken' && event.content.reason === 'retry';
    if (isRetry && !events.some((each) => each.step === step && isOf(each, wave) && leadsTo(each, event)))
      this.violate('C4', id, `${step}#${wave} is tried again and was not to be`);
    if (type === 'step_woken' && !isRetry) {
      const waiting = events.find((each) => each.event_type === 'step_waiting' && each.step === step && waveOf(each) === wave);
      const dueAt = waiting?.content.dueAt;
      const { reason } = event.content;
      if (!waiting) this.violate('C4', id, `${step}#${wave} woke and never waited`);
      else if (reason === 'due' && (dueAt ?? Infinity) > event.at)
        this.violate('C5', id, `${step}#${wave} woke ${(dueAt ?? Infinity) - event.at} ms early`);
    }
    if (type === 'step_skipped' && event.content.reason === 'join' && !this.isSkippedRightly(id, event))
      this.violate('join', id, `${step}#${wave} was skipped for a join that does not end it`);
    if (tellsOfParts(type)) partsRecorded(event, events, (message) => this.violate('C4', id, message));
    const { start_at: startAt } = this.world.database.row(id);
    if (startAt !== null && STARTS.has(type) && event.at < startAt) this.violate('C5', id, `${type} of ${step}#${wave} before its start`);
    if (STARTS.has(type) && events.some((each) => each.seq < seq && CUTS.has(each.event_type)))
      this.violate('D27', id, `${type} of ${step}#${wave} in a run that is to end`);
    if (type === 'action_retry' || isRetry || type === 'step_started' || type === 'compensation_started' || SETTLES.has(type)) {
      const same = events.filter((each) => each.seq < seq && each.step === step && waveOf(each) === wave);
      const attempt = (each: EventRow): unknown => `${each.content.attempt} ${each.content.path ?? ''}`;
      // A step that is armed again after a failure or cancel is skipped again, under the same wave.
      const isSkippedAgain = type === 'step_skipped' && !same.some((each) => each.event_type !== 'step_skipped');
      if (!isSkippedAgain && same.some((each) => SETTLES.has(each.event_type)))
        this.violate('C4', id, `${type} of ${step}#${wave} after it was over`);
      if (type.endsWith('_started') && same.some((each) => each.event_type === type))
        this.violate('C4', id, `${step}#${wave} started twice`);
      if (isRetry && same.some((each) => each.event_type === type && each.content.reason === 'retry' && attempt(each) === attempt(event)))
        this.violate('C4', id, `attempt ${String(attempt(event))} of ${step}#${wave} began twice`);
      if (type === 'action_retry' && same.some((each) => each.event_type === type && attempt(each) === attempt(event))) {
        this.violate('C4', id, `attempt ${String(attempt(event))} of ${step}#${wave} failed twice`);
      }
    }
  }

  /** Only what leads to a join is skipped for it, with its firing or behind it. */
  private isSkippedRightly(id: string, { step }: EventRow): boolean {
    const { row, events } = this.world.database.executions.get(id)!;
    const playbook = this.world.programs[Number(row['catalog_id'])]!;
    const index = playbook.byName.get(step!)!.index;
    return playbook.steps.some(({ name, join }) => join?.losers.has(index) && events.some((event) => event.step === name));
  }

  /** A node runs one suspect at a time, and poison is what was a node's only suspect three times (D16). */
  private claimed(change: Claimed, { row }: Stored): void {
    this.holders.set(change.token, change.by);
    this.claimedAt.set(change.id, this.world.scheduler.now);
    const { attempts } = row;
    if (change.kind === 'claimed' && attempts > change.before.attempts)
      this.direct('D16', change.id, 'the claim of a row without a holder counts as a crash');
    if (change.kind === 'claimed' && (change.before.wake_at ?? Infinity) > this.world.database.clock())
      this.direct('C5', change.id, 'claimed before it was due');
    if (change.kind === 'swept' && change.before.lease_until! > this.world.database.clock())
      this.direct('D11', change.id, 'swept before its lease expired');
    if (attempts < SUSPECT_ATTEMPTS || attempts >= POISON_ATTEMPTS) return;
    for (const { row: other } of this.world.database.executions.values()) {
      const isHeldBySame =
        other.lease_token !== null && this.holders.get(other.lease_token) === change.by && other.lease_until! > this.world.database.clock();
      if (other.id !== change.id && isHeldBySame && other.attempts >= SUSPECT_ATTEMPTS && other.attempts < POISON_ATTEMPTS) {
        this.violate('D16', change.id, `${change.by} runs two suspects: this one and ${other.id}`);
      }
    }
  }

  /** C6: a row that is not over has a holder, or a time, and no unread inbox that nobody will look at. */
  private row(stored: Stored): void {
    const { row, result } = stored;
    const { id } = row;
    const isUnread = row.inbox_seq > row.inbox_consumed;
    if (isTerminal(row.status)) {
      if (row.lease_token !== null || row.lease_until !== null || row.wake_at !== null)
        this.violate('R10', id, 'a lease or wake-up is left on a finished execution');
      if (isUnread) this.violate('D28', id, 'unread inbox is left on a finished execution');
      if (result === undefined) this.violate('C3', id, 'a finished execution has no result row');
    } else if (row.lease_token === null) {
      const isPaused = row.status === 'paused' && row.pause_requested_at !== null && !isUnread;
      // The end of what it called wakes it.
      const calls = (): boolean =>
        [...this.world.database.executions.values()].some(({ row: child }) => child['parent_run_id'] === id && !isTerminal(child.status));
      if (row.wake_at === null && !isPaused && (isUnread || !calls())) this.violate('C6', id, 'nobody holds it, and nothing will wake it');
      else if (isUnread && (row.wake_at ?? Infinity) > this.world.database.clock() + GIVEN_BACK_MS)
        this.violate('C6', id, 'nobody holds it, and its inbox is not read before it wakes');
    }
  }

  private note(change: Change, { row, events }: Stored): void {
    const { history } = this.world;
    switch (change.kind) {
      case 'created':
      case 'unit': {
        const fresh = events
          .slice(events.length - change.events)
          .map((event) => `${event.seq}:${event.event_type}${event.step === null ? '' : ` ${event.step}#${waveOf(event)}`}`);
        const mode = change.mode === MODE.held ? '' : ` (${Object.keys(MODE)[Object.values(MODE).indexOf(change.mode as never)]})`;
        return history.note(
          change.id,
          change.by,
          `${change.kind} by ${change.token}${mode}: ${fresh.join(', ')}${row.wake_at === null ? '' : ` wake_at +${row.wake_at - this.world.database.now()}`}`,
        );
      }
      case 'delivered':
        return history.note(change.id, change.by, `inbox ${change.message.inbox_seq}: ${change.message.kind}`);
      case 'claimed':
      case 'swept':
      case 'given_back':
        return history.note(change.id, change.by, `${change.kind} with ${change.token}, claim ${row.claim_no}, attempts ${row.attempts}`);
    }
  }

  /** For a broken rule of the database itself: its consequences must be noticed without these. */
  private direct(rule: string, runId: string | null, message: string): void {
    if (this.world.mutant === null) this.violate(rule, runId, message);
  }

  private violate(rule: string, runId: string | null, message: string): void {
    this.world.history.violate(rule, runId, message);
  }
}

const waveOf = ({ content }: EventRow): number => content.wave ?? 0;
/** Whether what failed is what this attempt tries again. */
const leadsTo = ({ event_type: type, content }: EventRow, again: EventRow): boolean =>
  type === 'action_retry' && content.path === undefined && Number(content.attempt) === Number(again.content.attempt) - 1;
const isOf = (event: EventRow, wave: number): boolean => waveOf(event) === wave;
