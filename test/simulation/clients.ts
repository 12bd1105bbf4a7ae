import { EngineError } from '../../src/engine/engine-error.js';
import { newRun, TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { type NewRun } from '../../src/engine/ports.js';
import { type JsonObject } from '../../src/engine/values.js';
import { DuplicateStart } from '../../src/storage/claiming/start-answers.js';
import { keptForFork, keptForRetry } from '../../src/engine/run/kept-history.js';
import { withSignalsOfTheirOwn } from '../../src/engine/run/kept-signals.js';
import { inherited, withoutUndone } from '../../src/engine/run/undone-firings.js';
import { isTerminal } from '../../src/engine/run/events.js';
import { openApproval } from './approvals.js';
import { type Operation } from './scenario.js';
import { FIND_KEY } from './server.js';
import { eventOf } from './tables.js';
import { type SimulatedNode } from './simulated-node.js';
import { type World } from './world.js';

type Start = Extract<Operation, { kind: 'start' }>;
type Retry = Extract<Operation, { kind: 'retry' }>;
type Cancel = Extract<Operation, { kind: 'cancel' }>;
type Pause = Extract<Operation, { kind: 'pause' }>;
type Signal = Extract<Operation, { kind: 'signal' }>;
type Decide = Extract<Operation, { kind: 'decide' }>;

/** How long a client waits for an answer, and before it asks again. */
const PATIENCE_MS = 6_000;
const ASK_AGAIN_MS = 600;
/** How often a client looks for an approval that is not there. */
const MOST_LOOKS = 20;
const SETTLES = new Set(['step_completed', 'step_failed', 'step_timed_out']);
const BORN = [{ type: 'execution_started' }] as const;

/** What clients know of one start. */
export interface StartRecord {
  readonly program: number;
  readonly keyed: boolean;
  /** Every id that may have been stored for it. */
  readonly offered: string[];
  /** Ids that were acknowledged, one per answer. */
  readonly acknowledged: string[];
  /** Nobody asks any more. */
  isSettled: boolean;
  /** Firings that were over in the execution that it goes on from, as `step#wave`. */
  readonly kept: Set<string>;
}

/** The callers of the service: they start, cancel, hear answers or none, and ask again where that is safe. */
export class Clients {
  /** By `run`. */
  readonly starts = new Map<number, StartRecord>();
  /** Executions whose cancel was acknowledged, and when. */
  readonly cancels = new Map<string, number>();
  /** Decisions that were acknowledged. */
  readonly taken: { readonly execution: string; readonly approval: string; readonly by: string }[] = [];
  /** Requests that are not answered for good. */
  open = 0;
  private lastId = 1_000;

  constructor(private readonly world: World) {}

  start(operation: Start): void {
    const { run, program, keyed, twice, node } = operation;
    this.starts.set(run, { program, keyed, offered: [], acknowledged: [], isSettled: false, kept: new Set() });
    this.open += 1;
    this.tryStart(operation, node);
    if (!twice) return;
    this.open += 1;
    this.tryStart(operation, node + 1);
  }

  /** Waits for the end of an execution, and goes on from what it completed where it did not complete itself. */
  retry(operation: Retry): void {
    const { run, of, program, node, fork } = operation;
    const record: StartRecord = { program, keyed: false, offered: [], acknowledged: [], isSettled: false, kept: new Set() };
    this.starts.set(run, record);
    const look = (): void => {
      const source = this.starts.get(of);
      const id = source?.acknowledged[0];
      const stored = id === undefined ? undefined : this.world.database.executions.get(id);
      if (source && !source.isSettled && !stored) return void this.world.scheduler.after(ASK_AGAIN_MS, null, look);
      if (stored && !isTerminal(stored.row.status)) return void this.world.scheduler.after(ASK_AGAIN_MS, null, look);
      const isPoison = (stored?.row['error'] as { code?: string } | null)?.code === 'poison';
      const playbook = this.world.programs[program]!;
      const events = stored?.events.map(eventOf) ?? [];
      const ran = [...new Set(events.flatMap((event) => ('step' in event && event.type !== 'step_skipped' ? [event.step] : [])))];
      const some = fork === undefined ? keptForRetry(events) : keptForFork(playbook, events, ran[fork % ran.length] ?? '');
      if (!some || isPoison || (fork === undefined && stored?.row.status === 'completed')) {
        record.isSettled = true;
        return;
      }
      this.open += 1;
      // As RestartService goes about it.
      const own = withSignalsOfTheirOwn(events, withoutUndone(playbook, events, some));
      const kept = fork === undefined ? own : inherited(own);
      for (const event of kept) {
        if (!('step' in event) || !SETTLES.has(event.type)) continue;
        record.kept.add(`${event.step}#${event.wave}`);
        // What it inherits it does not undo.
        if (fork !== undefined) record.kept.add(`${event.step}.compensate#${event.wave}`);
      }
      this.tryStart({ kind: 'start', at: 0, node, run, program, keyed: false, twice: false }, node, { kept, forkedFrom: id! });
    };
    look();
  }

  cancel(operation: Cancel): void {
    this.open += 1;
    this.tryCancel(operation, operation.node);
  }

  /** Pauses, and resumes once the pause was acknowledged and its time is over. */
  pause(operation: Pause): void {
    this.tell(operation, 'pause', { reason: 'simulated' }, () => {
      this.world.scheduler.after(operation.forMs, null, () => this.tell(operation, 'resume', {}, () => (this.open -= 1)));
      this.open += 1;
    });
  }

  /** A pause that reached the database after its resume leaves an execution paused: whoever sees that resumes it. */
  resumeLeft(node: number): void {
    for (const [run, { acknowledged }] of this.starts) {
      const row = acknowledged[0] === undefined ? undefined : this.world.database.executions.get(acknowledged[0])?.row;
      if (row?.status === 'paused') this.tell({ node, run }, 'resume', {}, () => undefined);
    }
  }

  signal(operation: Signal): void {
    this.tell(operation, 'signal', { name: operation.name, payload: { sent: true } }, () => undefined);
  }

  /** Looks for the approval of a step now and then, and decides it until that is answered. */
  decide(operation: Decide): void {
    const { run, name, by, decision } = operation;
    this.open += 1;
    let looks = 0;
    const attempt = (node: number): void => {
      const record = this.starts.get(run);
      const id = record?.acknowledged[0];
      const stored = id === undefined ? undefined : this.world.database.executions.get(id);
      const found = stored && openApproval(stored, name);
      const again = (): void => void this.world.scheduler.after(ASK_AGAIN_MS, null, () => attempt(node + 1));
      if (!found) {
        if ((looks += 1) < MOST_LOOKS && record && !(stored && isTerminal(stored.row.status))) return again();
        this.open -= 1;
        return;
      }
      const wanted = {
        tenantId: TEST_TENANT,
        approvalId: found.id,
        executionId: id!,
        by,
        decision,
        comment: null,
        data: null,
        mayRepeat: false,
      };
      this.ask(
        node,
        (at) => at.approvals.decide(wanted),
        (verdict) => {
          this.world.history.note(id!, 'client', `${by} ${decision}s ${name}: ${verdict}`);
          if (verdict === null) this.world.history.violate('approval', id!, 'an approval that was there is not found');
          if (verdict === 'taken') this.taken.push({ execution: id!, approval: found.id, by });
          this.open -= 1;
        },
        again,
      );
    };
    attempt(operation.node);
  }

  /** Sends a message until it is answered. */
  private tell(
    operation: Pick<Operation, 'node' | 'run'>,
    kind: 'pause' | 'resume' | 'signal',
    payload: JsonObject,
    told: () => void,
  ): void {
    const { run } = operation;
    this.open += 1;
    const attempt = (node: number): void => {
      const record = this.starts.get(run);
      const id = record?.acknowledged[0];
      const again = (): void => void this.world.scheduler.after(ASK_AGAIN_MS, null, () => attempt(node + 1));
      if (id === undefined) {
        if (!record || record.isSettled) this.open -= 1;
        else again();
        return;
      }
      this.ask(
        node,
        (at) => at.inbox.deliver(TEST_TENANT, id, kind, payload),
        (delivery) => {
          this.world.history.note(id, 'client', `${kind}: ${delivery.kind}`);
          if (delivery.kind === 'not_found') this.world.history.violate('C1', id, 'an acknowledged start is not found');
          told();
          this.open -= 1;
        },
        again,
      );
    };
    attempt(operation.node);
  }

  private tryStart(operation: Start, node: number, from: Partial<NewRun> = {}): void {
    const { run, keyed, program, delayMs, timeoutMs } = operation;
    const record = this.starts.get(run)!;
    const settled = (): void => {
      record.isSettled = true;
      this.open -= 1;
    };
    this.ask(
      node,
      async (at) => {
        const key = keyed ? `key-${run}` : null;
        const known = key && (await this.executionOfKey(at, key));
        if (known) return known;
        const id = String(++this.lastId);
        record.offered.push(id);
        await this.world.playbooksOf(at).compiled('', String(program));
        const now = at.clock.now();
        const startAt = delayMs === undefined ? null : now + delayMs;
        const times = { startAt, timeoutAt: timeoutMs === undefined ? null : (startAt ?? now) + timeoutMs };
        const idempotency = key === null ? null : { key, fingerprint: 'f' };
        return await this.offer(at, newRun(id, { catalogId: String(program), parameters: {}, idempotency, ...times, ...from }));
      },
      (id) => {
        record.acknowledged.push(id);
        this.world.history.note(id, 'client', `start ${run} acknowledged`);
        settled();
      },
      (error) => {
        this.world.history.note(null, 'client', `start ${run} not acknowledged: ${error === null ? 'no answer' : error.message}`);
        // Without a key a start that may be stored must not be sent again; one that says nothing was started may.
        const isCertain = error instanceof EngineError && error.code !== 'outcome_unknown';
        if (!keyed && !isCertain) return settled();
        this.world.scheduler.after(ASK_AGAIN_MS, null, () => this.tryStart(operation, node + 1, from));
      },
    );
  }

  private async offer(node: SimulatedNode, run: NewRun): Promise<string> {
    const { durable } = node.queue.offer(run, [...BORN, ...run.kept]);
    if (this.world.mutant === 'ack_before_commit') {
      durable.catch(() => undefined);
      return run.id;
    }
    try {
      await durable;
      return run.id;
    } catch (error) {
      const winner = error instanceof DuplicateStart ? await this.executionOfKey(node, run.idempotency!.key) : null;
      if (winner) return winner;
      throw error;
    }
  }

  private async executionOfKey(node: SimulatedNode, key: string): Promise<string | null> {
    const [row] = await node.db.query<{ id: string }[]>(FIND_KEY, [TEST_TENANT, key]);
    return row?.id ?? null;
  }

  private tryCancel(operation: Cancel, node: number): void {
    const record = this.starts.get(operation.run);
    const id = record?.acknowledged[0];
    const again = (): void => void this.world.scheduler.after(ASK_AGAIN_MS, null, () => this.tryCancel(operation, node + 1));
    if (id === undefined) {
      // Dropped from the scenario, or its start was never acknowledged.
      if (!record || record.isSettled) this.open -= 1;
      else again();
      return;
    }
    this.ask(
      node,
      (at) => at.inbox.deliver(TEST_TENANT, id, 'cancel', { reason: 'simulated', force: operation.force, cascade: !operation.leaves }),
      (delivery) => {
        this.world.history.note(id, 'client', `cancel: ${delivery.kind}`);
        if (delivery.kind === 'not_found') this.world.history.violate('C1', id, 'an acknowledged start is not found');
        if (delivery.kind === 'delivered' || delivery.kind === 'already_so')
          this.cancels.set(id, this.cancels.get(id) ?? this.world.scheduler.now);
        this.open -= 1;
      },
      again,
    );
  }

  /** One request to a node: an answer, an error, or (null) nothing until the client's patience ends. */
  private ask<T>(
    node: number,
    request: (at: SimulatedNode) => Promise<T>,
    answered: (answer: T) => void,
    failed: (error: Error | null) => void,
  ): void {
    const { scheduler, random } = this.world;
    let isOver = false;
    const end = (then: () => void): void => {
      if (isOver) return;
      isOver = true;
      patience.cancelled = true;
      then();
    };
    const patience = scheduler.after(PATIENCE_MS, null, () => end(() => failed(null)));
    const at = this.world.node(node);
    if (!at?.alive || at.draining)
      return void scheduler.after(random.next() * 5, null, () => end(() => failed(new EngineError('unavailable', 'draining', 'refused'))));
    scheduler.after(random.next() * 5, at.process, () => {
      const reply = (then: () => void): void => void scheduler.after(random.next() * 5, null, () => end(then));
      request(at).then(
        (answer) => reply(() => answered(answer)),
        (error: unknown) => reply(() => failed(error as Error)),
      );
    });
  }
}
