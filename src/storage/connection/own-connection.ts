import pg from 'pg';
import { connectionOptions } from './connection-options.js';
import { type DatabaseHistory, OtherHistory } from './database-history.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';

/** What a connection of one purpose is for. */
export interface OwnConnectionOptions {
  readonly url: string;
  /** Shown in pg_stat_activity as `showrunner:<role>`. */
  readonly role: string;
  readonly lease: LeaseTerm;
  readonly log: Log;
  /** Statements of the session, once it is open. */
  readonly session?: string;
  /** Asked of each new session; one that reaches another history is not used. */
  readonly history: DatabaseHistory;
  /** Longest wait for an answer: it fires where the server does not answer at all. */
  readonly answerWithinMs: number;
  /** Called once with each new client, before it connects. */
  readonly prepare?: (client: pg.Client) => void;
}

/** A warning of the server beside an answer that looks like success. */
export interface CommitWarning {
  readonly message: string;
  /** The commit is stored on the server, but its wait for the synchronous standby was cut short: a failover may lose it. */
  readonly replication: boolean;
}

/** SQLSTATEs of warnings; the severity itself is translated by the server. */
const WARNING_CLASS = '01';
/** The function of the server that gives up waiting for a standby; its message is translated too. */
const REPLICATION_WAIT = 'SyncRepWaitForLSN';

/** A connection to the database as its users see it. */
export type Connection = Pick<OwnConnection, 'open' | 'query' | 'lastWarning' | 'drop' | 'close'>;

/** A connection that serves one purpose and no pool: opened when needed, opened anew after it was dropped. */
export class OwnConnection {
  private client: pg.Client | null = null;
  private warning: CommitWarning | null = null;

  constructor(private readonly options: OwnConnectionOptions) {
    options.history.onChange(() => this.drop());
  }

  /** Resolves once the connection can be used. Nothing was sent where it rejects. @throws OtherHistory once after a change, among errors of any kind */
  async open(): Promise<void> {
    if (this.client !== null) return;
    const { url, role, lease, log, session, history, answerWithinMs, prepare } = this.options;
    const client = new pg.Client({ ...connectionOptions(url, role, lease), query_timeout: answerWithinMs });
    prepare?.(client);
    // An error outside of a query; a query under way rejects by itself.
    client.on('error', (error) => {
      log.warn({ err: error, role }, 'a database connection was lost');
      if (this.client === client) this.drop();
    });
    client.on('notice', ({ code, routine, message }) => {
      if (code?.startsWith(WARNING_CLASS)) this.warning = { message: message ?? '', replication: routine === REPLICATION_WAIT };
    });
    client.on('end', () => {
      if (this.client === client) this.client = null;
    });
    try {
      await client.connect();
      if (session !== undefined) await client.query(session);
      if (!(await history.isSame(client))) throw new OtherHistory();
    } catch (error) {
      destroy(client);
      throw error;
    }
    this.client = client;
  }

  async query<Row extends pg.QueryResultRow>(config: pg.QueryConfig): Promise<Row[]> {
    if (this.client === null) throw new Error(`the ${this.options.role} connection is not open`);
    this.warning = null;
    return (await this.client.query<Row>(config)).rows;
  }

  /** The last warning during the latest statement, its commit included. */
  lastWarning(): CommitWarning | null {
    return this.warning;
  }

  /** Cuts the connection without a word: what it was doing has an unknown outcome. */
  drop(): void {
    if (this.client !== null) destroy(this.client);
    this.client = null;
  }

  async close(): Promise<void> {
    const client = this.client;
    this.client = null;
    await client?.end();
  }
}

function destroy(client: pg.Client): void {
  // end() would wait for a server that may never answer.
  client.connection.stream.destroy();
}
