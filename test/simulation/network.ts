import pg from 'pg';
import { type Random } from './random.js';
import { type Scheduler, type VirtualProcess } from './scheduler.js';
import { isBatch, type Outcome, type Server, type Session, type Statement } from './server.js';

/** How likely each misfortune is, for every single request. */
export interface Weather {
  /** The request never arrives; its sender sees the connection break. */
  readonly lost: number;
  /** It is carried out; its sender sees the connection break. */
  readonly lostReply: number;
  /** Its sender sees the connection break; it is carried out all the same, later. */
  readonly late: number;
  /** It is carried out twice, as behind a pooler that sends again. */
  readonly twice: number;
  /** The server refuses it for a moment (serialisation, time-out, too many connections). */
  readonly transient: number;
  /** The commit comes with a warning: it did not wait for its standby. */
  readonly warning: number;
  readonly slow: number;
}

export const CALM: Weather = { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 };

const TRANSIENT_STATES = ['40001', '40P01', '57014', '53300', '57P01'];
/** idle_in_transaction_session_timeout, about. */
const IDLE_IN_TRANSACTION_MS = 1_500;
const CONNECTION_GONE: Outcome = { sqlState: null, message: 'Connection terminated unexpectedly' };

/** The way between one node and the database: it delays, loses, repeats, and may be cut for a while. */
export class Network {
  weather: Weather = CALM;
  /** Nothing passes, and nobody hears why. */
  isCut = false;
  /** Called with the number of each request of this life, at the moments a crash may hit it. */
  onRequest: (number: number, moment: 'sent' | 'stored' | 'answered') => void = () => undefined;
  private requests = 0;
  private readonly sessions = new Set<Session>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly process: VirtualProcess,
    private readonly server: Server,
    private readonly random: Random,
    private readonly nodeClock: () => number,
    private readonly note: (what: string) => void = () => undefined,
  ) {}

  connect(answerWithinMs: number, then: (session: Session | null) => void): void {
    const { scheduler, process } = this;
    if (this.isCut) return void scheduler.after(answerWithinMs, process, () => then(null));
    scheduler.after(this.delay(), null, () => {
      const session = this.server.connect(process.name, this.nodeClock);
      if (session) this.sessions.add(session);
      scheduler.after(this.delay(), process, () => then(session));
    });
  }

  /** A connection that a pool has open already; null where the server is not there. */
  pooled(): Session | null {
    const session = this.server.connect(this.process.name, this.nodeClock);
    if (session) this.sessions.add(session);
    return session;
  }

  /** The client closes its end. The server hears of it at once or a little later; where the way is cut, when its patience with an idle transaction ends. */
  hangUp(session: Session, noticedAfterMs = 0): void {
    this.sessions.delete(session);
    if (!session.inTransaction && noticedAfterMs === 0) return this.server.close(session);
    const ms = this.isCut ? IDLE_IN_TRANSACTION_MS : Math.max(noticedAfterMs, this.random.int(0, 50));
    this.scheduler.after(ms, null, () => this.server.close(session));
  }

  /** The process died: its machine closes its connections, or is gone as well and says nothing. */
  processDied(): void {
    const ms = this.random.chance(0.2) ? IDLE_IN_TRANSACTION_MS : this.random.int(1, 50);
    for (const session of [...this.sessions]) this.hangUp(session, ms);
  }

  /** Sends a statement; `then` is called once, where the process lives that long. */
  send(session: Session, statement: Statement, answerWithinMs: number, then: (outcome: Outcome & { warned?: boolean }) => void): void {
    const { scheduler, process, random } = this;
    const number = ++this.requests;
    let isOver = false;
    const answer = (delayMs: number, outcome: Outcome & { warned?: boolean }): void => {
      if (isOver) return;
      isOver = true;
      patience.cancelled = true;
      if ('sqlState' in outcome && outcome.sqlState === null) this.hangUp(session, delayMs + random.int(1, 50));
      scheduler.after(delayMs, process, () => {
        then(outcome);
        this.onRequest(number, 'answered');
      });
    };
    // No answer at all: the client gives up.
    const patience = scheduler.after(answerWithinMs, process, () => answer(0, CONNECTION_GONE));
    const fate = this.fate(statement);
    if (fate !== 'fine') this.note(`request ${number} (${statement.name ?? statement.text.trim().slice(0, 24)}) is ${fate}`);
    if (this.isCut || session.gone || !this.server.isUp) {
      return answer(this.isCut ? answerWithinMs : this.delay(), CONNECTION_GONE);
    }
    const arrive = (delayMs: number, reply: (outcome: Outcome) => void, own: Session | null = null): void => {
      scheduler.after(delayMs, null, () => {
        if (session.gone && fate !== 'late') return;
        this.server.execute(own ?? session, statement, (outcome) => {
          this.onRequest(number, 'stored');
          reply(outcome);
        });
      });
    };
    this.onRequest(number, 'sent');
    switch (fate) {
      case 'lost':
        return answer(this.delay(), CONNECTION_GONE);
      case 'lostReply':
        return arrive(this.delay(), () => answer(this.delay(), CONNECTION_GONE));
      case 'late': {
        answer(this.delay(), CONNECTION_GONE);
        return arrive(random.next() * 1_500, () => undefined);
      }
      case 'transient':
        return answer(this.delay(), { sqlState: random.pick(TRANSIENT_STATES), message: 'not now' });
      case 'twice':
        arrive(this.delay(), (outcome) => this.passBack(outcome, answer));
        // By another session: the first may be at work still.
        return arrive(this.delay() + random.next() * 800, () => undefined, this.server.connect(process.name, this.nodeClock));
      case 'warning':
        return arrive(this.delay(), (outcome) => answer(this.delay(), { ...outcome, warned: true }));
      case 'slow':
        return arrive(this.delay() + random.next() * 1_200, (outcome) => this.passBack(outcome, answer));
      default:
        return arrive(this.delay(), (outcome) => this.passBack(outcome, answer));
    }
  }

  /** Milliseconds of one way. */
  delay(): number {
    return 0.1 + this.random.next() * (this.random.chance(0.05) ? 40 : 1.5);
  }

  private passBack(outcome: Outcome, answer: (delayMs: number, outcome: Outcome) => void): void {
    // A cut that came meanwhile swallows the answer; the sender's own patience ends the wait.
    if (!this.isCut) answer(this.delay(), outcome);
  }

  private fate({ text, name }: Statement): keyof Weather | 'fine' {
    const { weather, random } = this;
    let at = random.next();
    for (const kind of Object.keys(weather) as (keyof Weather)[]) {
      at -= weather[kind];
      if (at >= 0) continue;
      const isAlone = isBatch(name) || text.includes('WITH target') || text.includes('SET lease_until');
      // Inside of a transaction a late or repeated statement would meet a session that has gone on.
      if ((kind === 'late' || kind === 'twice' || kind === 'warning') && !isAlone) return 'fine';
      if (kind === 'twice' && !isBatch(name)) return 'fine';
      return kind;
    }
    return 'fine';
  }
}

/** As the driver throws. */
export function errorOf({ sqlState, message }: { readonly sqlState: string | null; readonly message: string }): Error {
  if (sqlState === null) return new Error(message);
  const error = new pg.DatabaseError(message, message.length, 'error');
  error.code = sqlState;
  return error;
}

/** Whether an error is one that a network or a busy server gives, and no fault of whoever meets it. */
export function isWeather(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError || (error instanceof Error && /^(Connection terminated|connect ECONNREFUSED)/.test(error.message))
  );
}
