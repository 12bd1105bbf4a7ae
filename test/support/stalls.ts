import type pg from 'pg';
import { type BatchAnswer } from '../../src/storage/batch/batch-statement.js';
import { type DatabaseHistory } from '../../src/storage/connection/database-history.js';
import { type LeaseTerm } from '../../src/storage/lease-term.js';
import { type Log } from '../../src/storage/log.js';
import { WriterConnection } from '../../src/storage/batch/writer-connection.js';

/**
 * Where the writer can be made to stand still. built: units were taken and their batch is made, nothing is sent. answered: the database has
 * committed and answered, nobody is told. resolving: before the database is asked what became of units.
 */
export type StallPoint = 'built' | 'answered' | 'resolving';

/** One stop of the writer. */
export interface Stall {
  /** Resolves once the writer stands there. */
  readonly reached: Promise<void>;
  /** Lets it go on, also where it has not come there yet. */
  readonly resume: () => void;
}

/** Where the parameters of the batch statement name executions (under a fence, new) and idempotency keys. */
const NAMED = { appends: 0, creates: 27, keys: 59 } as const;

/** Stops a writer at named points, and remembers what it sent. */
export class Stalls {
  /** Parameters of every batch statement sent, in order. */
  readonly sent: (readonly string[])[] = [];
  private readonly armed = new Map<StallPoint, { readonly arrive: () => void; readonly resumed: Promise<void> }[]>();

  /** Stops the writer when it comes to this point next; the second call for one point is about the time after that. */
  at(point: StallPoint): Stall {
    const [arrival, resumption] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const waiting = this.armed.get(point) ?? [];
    waiting.push({ arrive: arrival.resolve, resumed: resumption.promise });
    this.armed.set(point, waiting);
    return { reached: arrival.promise, resume: resumption.resolve };
  }

  /** What the batches sent so far name, a list for each: ids of executions, and idempotency keys. */
  named(): { readonly ids: string[]; readonly keys: string[] }[] {
    const list = (text: string | undefined): string[] => (text === undefined || text === '{}' ? [] : text.slice(1, -1).split(','));
    return this.sent.map((parameters) => ({
      ids: [...list(parameters[NAMED.appends]), ...list(parameters[NAMED.creates])],
      keys: list(parameters[NAMED.keys]),
    }));
  }

  /** For BatchWriterSettings.connect. */
  connection(url: string, lease: LeaseTerm, history: DatabaseHistory, log: Log): WriterConnection {
    return new StallingConnection(this, url, lease, history, log);
  }

  async pass(point: StallPoint): Promise<void> {
    const stall = this.armed.get(point)?.shift();
    stall?.arrive();
    await stall?.resumed;
  }
}

/** The real connection of the writer, stopped where a test says. */
class StallingConnection extends WriterConnection {
  constructor(
    private readonly stalls: Stalls,
    url: string,
    lease: LeaseTerm,
    history: DatabaseHistory,
    log: Log,
  ) {
    super(url, lease, history, log);
  }

  override async write(parameters: readonly string[]): Promise<BatchAnswer> {
    await this.stalls.pass('built');
    this.stalls.sent.push(parameters);
    const answer = await super.write(parameters);
    await this.stalls.pass('answered');
    return answer;
  }

  override async query<Row extends pg.QueryResultRow>(config: pg.QueryConfig): Promise<Row[]> {
    if (config.text === 'BEGIN') await this.stalls.pass('resolving');
    return await super.query<Row>(config);
  }
}
