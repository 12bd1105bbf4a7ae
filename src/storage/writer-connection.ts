import pg from 'pg';
import { connectionOptions } from './connection-options.js';
import { BATCH_STATEMENT, type BatchAnswer } from './batch-statement.js';
import { type Log } from './log.js';

/** Above the server's own statement time-out for this session: it fires where the server does not answer at all. */
const ANSWER_TIMEOUT_MS = 8_000;

/**
 * Plans that change with the tables' statistics cost most of the writer's speed on a fresh table, and planning anew costs more than any
 * better plan would gain: every look-up of a batch is one by primary key.
 */
const SESSION_SETTINGS = `
  SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
  SET plan_cache_mode = force_generic_plan; SET statement_timeout = '6s'`;

/** One connection of the batch writer: opened when needed, opened anew after it was dropped. */
export class WriterConnection {
  private client: pg.Client | null = null;

  constructor(
    private readonly url: string,
    private readonly log: Log,
  ) {}

  /** Resolves once the connection can be used. Nothing was sent where it rejects. */
  async open(): Promise<void> {
    if (this.client !== null) return;
    const client = new pg.Client({ ...connectionOptions(this.url, 'writer'), query_timeout: ANSWER_TIMEOUT_MS });
    // An error outside of a query; a query under way rejects by itself.
    client.on('error', (error) => {
      this.log.warn({ err: error }, 'a writer connection was lost');
      if (this.client === client) this.drop();
    });
    client.on('end', () => {
      if (this.client === client) this.client = null;
    });
    try {
      await client.connect();
      await client.query(SESSION_SETTINGS);
    } catch (error) {
      destroy(client);
      throw error;
    }
    this.client = client;
  }

  async write(parameters: readonly string[]): Promise<BatchAnswer> {
    const [answer] = await this.query<BatchAnswer>({ name: 'batch', text: BATCH_STATEMENT, values: [...parameters] });
    if (answer === undefined) throw new Error('the batch statement answered nothing');
    return answer;
  }

  async query<Row extends pg.QueryResultRow>(config: pg.QueryConfig): Promise<Row[]> {
    if (this.client === null) throw new Error('the writer connection is not open');
    return (await this.client.query<Row>(config)).rows;
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
