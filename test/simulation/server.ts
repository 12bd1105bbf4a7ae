import { DECIDE, EXPIRE } from '../../src/storage/approval-decisions.js';
import { type Random } from './random.js';
import { type Effect, lockOfApprovals, type SimulatedDatabase } from './simulated-database.js';
import { type Scheduler } from './scheduler.js';

/** A statement as a session sends it. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Prepared statements go by name. */
  readonly name?: string;
}

/** What came of a statement; `sqlState` null where the session is gone. */
export type Outcome = { readonly rows: readonly object[] } | { readonly sqlState: string | null; readonly message: string };

/** A session at the server: whose it is, and the transaction it is in. */
export class Session {
  /** Names of rows it has locked. */
  readonly locks = new Set<string>();
  /** Set between BEGIN and its end. */
  inTransaction = false;
  readonly writes: (() => void)[] = [];
  gone = false;

  constructor(
    /** The node and its life, for the history. */
    readonly by: string,
    /** Epoch ms of the node's own clock. */
    readonly nodeClock: () => number,
  ) {}
}

interface Waiting {
  readonly session: Session;
  readonly names: readonly string[];
  readonly go: () => void;
}

/**
 * The database server: sessions, row locks and transactions around the tables. A statement waits for its rows, is evaluated under their locks,
 * and is committed a moment later; what others read or skip in between is what PostgreSQL would show them.
 */
export class Server {
  isUp = true;
  private readonly lockedBy = new Map<string, Session>();
  private readonly waiting: Waiting[] = [];
  private readonly sessions = new Set<Session>();
  /** Counts the lives of the server: what an earlier one was about to commit is lost. */
  private life = 0;

  constructor(
    private readonly database: SimulatedDatabase,
    private readonly scheduler: Scheduler,
    private readonly random: Random,
    private readonly lockTimeoutMs: number,
  ) {}

  /** Null where nobody answers at the port. */
  connect(by: string, nodeClock: () => number): Session | null {
    if (!this.isUp) return null;
    const session = new Session(by, nodeClock);
    this.sessions.add(session);
    return session;
  }

  /** The client is gone. What a statement of it is doing goes on to its end; an open transaction is rolled back. */
  close(session: Session): void {
    session.gone = true;
    this.sessions.delete(session);
    if (session.inTransaction) this.settle(session);
  }

  /** A crash: every session is gone, statements under way are lost unless they were committed. */
  crash(): void {
    this.isUp = false;
    this.life += 1;
    for (const session of [...this.sessions]) this.close(session);
    this.lockedBy.clear();
    this.waiting.length = 0;
  }

  restart(): void {
    this.isUp = true;
    this.database.startedAt = this.database.now();
  }

  /** Runs one statement; `reply` is called once, unless the server crashes before. */
  execute(session: Session, statement: Statement, reply: (outcome: Outcome) => void): void {
    if (!this.isUp || (session.gone && session.inTransaction)) return;
    const answer = (rows: readonly object[]): void => reply({ rows });
    const { text } = statement;
    if (text === 'BEGIN' || text.startsWith('SAVEPOINT') || text.startsWith('ROLLBACK TO')) {
      session.inTransaction = true;
      return answer([]);
    }
    if (text === 'ROLLBACK') {
      this.settle(session);
      return answer([]);
    }
    if (text === 'SELECT 1') return answer([]);
    if (text.startsWith('SELECT (extract(epoch FROM clock_timestamp())')) return answer([{ at: this.database.clock() }]);
    if (text === 'COMMIT') return this.commit(session, () => answer([]));
    const evaluate = this.evaluation(session, statement);
    this.lock(session, evaluate.waitsFor, (got) => {
      if (!got) {
        this.settle(session);
        return reply({ sqlState: '55P03', message: 'canceling statement due to lock timeout' });
      }
      const effect = evaluate.run();
      if (effect.refused) {
        this.settle(session);
        return reply({ sqlState: effect.refused, message: 'the data is refused' });
      }
      for (const name of effect.locks ?? []) this.take(session, name);
      if (effect.commit) session.writes.push(effect.commit);
      if (session.inTransaction) return answer(effect.answer);
      this.commit(session, () => answer(effect.answer));
    });
  }

  /** Which rows a statement waits for, and what it does once it has them. */
  private evaluation(
    session: Session,
    { name, text, values }: Statement,
  ): { waitsFor: readonly string[]; run: () => Effect<readonly object[]> } {
    const { database } = this;
    const { by } = session;
    const isLocked = (id: string): boolean => (this.lockedBy.get(id) ?? session) !== session;
    const reads = (rows: () => readonly object[]): { waitsFor: []; run: () => Effect<readonly object[]> } => ({
      waitsFor: [],
      run: () => ({ answer: rows(), commit: null }),
    });
    const ids = (at: number): string[] => listOf(values[at]);
    if (isBatch(name)) {
      const parameters = values as string[];
      return {
        waitsFor: database.batchLocks(parameters),
        run: () => {
          const effect = database.batch(parameters, by);
          return { ...effect, answer: [effect.answer] };
        },
      };
    }
    if (text.includes('gen_random_uuid()')) {
      const clock = database.claimsBy === 'node' ? session.nodeClock() : database.clock();
      const limit = Number(values[0]);
      if (text.includes('expired AS MATERIALIZED')) {
        return { waitsFor: [], run: () => database.sweep(limit, ids(1), values[2] === true, by, isLocked, clock) };
      }
      // Starts that stand back for others or must end as expired are not simulated.
      if (text.includes('priority < 0') || text.includes('ORDER BY expires_at')) return reads(() => []);
      return { waitsFor: [], run: () => database.claimDue(limit, ids(1), by, isLocked, clock) };
    }
    if (text.includes('SET lease_token = NULL')) {
      return { waitsFor: ids(0), run: () => database.giveBack(ids(0), ids(1), values[2] as number[], values[3] as (number | null)[], by) };
    }
    if (text.includes('SET lease_until')) return { waitsFor: [], run: () => database.renew(ids(0), ids(1), isLocked) };
    if (text === DECIDE) {
      // The rows of the execution and of the approval are locked one after the other; whoever changes the latter by decisions holds the former.
      return { waitsFor: [String(values[0]), lockOfApprovals(values[0])], run: () => database.decide(values, by) };
    }
    if (text === EXPIRE) return { waitsFor: [lockOfApprovals(values[0])], run: () => database.expire(values) };
    if (text.includes('WITH target')) {
      const [id, tenant, kind, payload] = values as [string, string, string, string];
      return { waitsFor: [id], run: () => database.deliver(id, tenant, kind, payload, by) };
    }
    // Waits for transactions that insert the same ids, and lets go again at once.
    if (text.includes('INSERT INTO execution (id, tenant_id')) {
      const wanted = ids(0);
      return {
        waitsFor: wanted,
        run: () => {
          const answer = database.absent(wanted);
          for (const id of wanted) this.free(session, id);
          return { answer, commit: null };
        },
      };
    }
    if (text.startsWith('SELECT FROM execution WHERE id = ANY')) {
      return { waitsFor: ids(0).filter((id) => database.executions.has(id)), run: () => ({ answer: [], commit: null }) };
    }
    if (text.includes('free AS MATERIALIZED'))
      return reads(() =>
        ids(0)
          .filter(isLocked)
          .map((id) => ({ id })),
      );
    if (text.includes('cancel_requested_at IS NOT NULL AS cancelling')) return reads(() => database.readRows(ids(0), ids(1), ids(2)));
    if (text.includes('SELECT id, inbox_seq FROM execution')) return reads(() => database.inboxes(ids(0)));
    if (text.includes('AS queued')) return reads(() => database.queued());
    if (text.includes('FROM execution_snapshot')) return reads(() => database.snapshots(ids(0)));
    if (text.includes('FROM execution_event WHERE execution_id = $1'))
      return reads(() => database.events([String(values[0])], Number(values[1])));
    if (text.includes('FROM execution_event')) return reads(() => database.events(ids(0)));
    if (text.includes('FROM execution_payload')) return reads(() => database.payloads(ids(0)));
    if (text.includes('FROM execution_inbox')) return reads(() => database.inboxesAbove(ids(0), ids(1), ids(2)));
    if (text === FIND_KEY) {
      return reads(() => {
        const id = database.executionOfKey(String(values[0]), String(values[1]));
        return id === null ? [] : [{ id }];
      });
    }
    if (text === FIND_OUTCOME) return reads(() => database.outcome(String(values[0])));
    if (text === FIND_LIVE_CALLED) return reads(() => database.liveCalledBy(String(values[0])));
    throw new Error(`the simulated database does not know this statement: ${text}`);
  }

  private lock(session: Session, names: readonly string[], then: (got: boolean) => void): void {
    const isFree = (): boolean => names.every((name) => (this.lockedBy.get(name) ?? session) === session);
    const go = (): void => {
      for (const name of names) this.take(session, name);
      then(true);
    };
    if (isFree()) return go();
    const waiting: Waiting = { session, names, go };
    this.waiting.push(waiting);
    this.scheduler.after(this.lockTimeoutMs, null, () => {
      const at = this.waiting.indexOf(waiting);
      if (at < 0) return;
      this.waiting.splice(at, 1);
      then(false);
    });
  }

  private take(session: Session, name: string): void {
    this.lockedBy.set(name, session);
    session.locks.add(name);
  }

  private free(session: Session, name: string): void {
    this.lockedBy.delete(name);
    session.locks.delete(name);
  }

  /** What was written becomes visible a moment later, all at once. */
  private commit(session: Session, then: () => void): void {
    if (session.writes.length === 0) {
      this.settle(session);
      return then();
    }
    const ms = this.random.weighted([
      [20, this.random.next() * 4],
      [2, this.random.next() * 60],
      [0.1, this.random.next() * 900],
    ]);
    const { life } = this;
    this.scheduler.after(ms, null, () => {
      if (this.life !== life) return;
      for (const write of session.writes) write();
      this.settle(session);
      then();
    });
  }

  /** The transaction is over: locks go, and those who wait for them go on. */
  private settle(session: Session): void {
    session.inTransaction = false;
    session.writes.length = 0;
    for (const name of [...session.locks]) if (this.lockedBy.get(name) === session) this.lockedBy.delete(name);
    session.locks.clear();
    for (const waiting of [...this.waiting]) {
      if (!waiting.names.every((name) => (this.lockedBy.get(name) ?? waiting.session) === waiting.session)) continue;
      const at = this.waiting.indexOf(waiting);
      if (at < 0) continue;
      this.waiting.splice(at, 1);
      waiting.go();
    }
  }
}

/** The writer's statement, with or without what calls need. */
export const isBatch = (name: string | undefined): boolean => name?.startsWith('batch') === true;

/** The look-up of a start that may be a repeated one, in the simulation's own words. */
export const FIND_KEY = 'SELECT execution_id FROM idempotency_key';

/** How a called run stands, in the simulation's own words. */
export const FIND_OUTCOME = 'SELECT status, result, error FROM execution';
export const FIND_LIVE_CALLED = 'SELECT id FROM execution WHERE parent_run_id = $1';

/** An array parameter: the driver takes lists, and the text form of src/storage/array-parameters.ts. */
function listOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  const text = String(value);
  return text === '{}' ? [] : text.slice(1, -1).split(',');
}
