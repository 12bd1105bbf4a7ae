import { type DataSource } from 'typeorm';
import { type BatchAnswer, batchForms } from '../../src/storage/batch/batch-statement.js';
import { STANDARD_LEASE } from '../../src/storage/lease-term.js';
import { type CommitWarning, type Connection } from '../../src/storage/connection/own-connection.js';
import { type Mutant } from './mutants.js';
import { errorOf, type Network } from './network.js';
import { type Session } from './server.js';

const POOL_ANSWER_MS = 8_000;
const formOf = batchForms(STANDARD_LEASE);
const WARNING: CommitWarning = { message: 'canceling wait for synchronous replication', replication: true };

/** A connection that serves one purpose, as src/storage/own-connection.ts is one. */
export class SimulatedConnection implements Pick<Connection, 'open' | 'lastWarning' | 'drop' | 'close'> {
  private session: Session | null = null;
  private warning: CommitWarning | null = null;
  private readonly pending = new Set<(error: Error) => void>();

  constructor(
    private readonly network: Network,
    private readonly answerWithinMs: number,
    private readonly mutant: Mutant | null = null,
  ) {}

  /** One that a pool has open already. */
  static pooled(network: Network): SimulatedConnection {
    const connection = new SimulatedConnection(network, POOL_ANSWER_MS);
    connection.session = network.pooled();
    return connection;
  }

  async open(): Promise<void> {
    if (this.session !== null && !this.session.gone) return;
    this.session = await new Promise<Session | null>((resolve) => this.network.connect(this.answerWithinMs, resolve));
    if (this.session === null) throw new Error('connect ECONNREFUSED');
  }

  async query<Row extends object>(config: { readonly text: string; readonly values?: unknown[]; readonly name?: string }): Promise<Row[]> {
    const { session } = this;
    if (session === null) throw new Error('the connection is not open');
    this.warning = null;
    return await new Promise<Row[]>((resolve, reject) => {
      this.pending.add(reject);
      this.network.send(session, { ...config, values: config.values ?? [] }, this.answerWithinMs, (outcome) => {
        this.pending.delete(reject);
        if (outcome.warned) this.warning = WARNING;
        if ('rows' in outcome) return resolve(outcome.rows as Row[]);
        if (outcome.sqlState === null) this.drop();
        reject(errorOf(outcome));
      });
    });
  }

  /** The writer's one statement. */
  async write(parameters: readonly string[]): Promise<BatchAnswer> {
    try {
      const [answer] = await this.query<BatchAnswer>({ ...formOf(parameters), values: [...parameters] });
      return answer!;
    } catch (error) {
      // A statement whose fence holds all units off: what a writer would hear that takes a broken connection for a refusal.
      if (this.mutant !== 'lost_reply_is_lost' || 'code' in (error as object)) throw error;
      throw errorOf({ sqlState: '23514', message: 'taken for refused' });
    }
  }

  lastWarning(): CommitWarning | null {
    return this.warning;
  }

  drop(): void {
    if (this.session) this.network.hangUp(this.session);
    this.session = null;
    for (const reject of [...this.pending]) reject(new Error('Connection terminated'));
    this.pending.clear();
  }

  async close(): Promise<void> {
    this.drop();
  }
}

/** The parts of TypeORM's DataSource that storage uses, over the simulated network; every statement or transaction has a session of its own. */
export function simulatedDataSource(network: Network): DataSource {
  const query = async (connection: SimulatedConnection, text: string, values: unknown[] = []): Promise<unknown> => {
    const rows = await connection.query({ text, values });
    return text.trimStart().startsWith('UPDATE') || text.includes('expired AS MATERIALIZED') ? [rows, rows.length] : rows;
  };
  const source = {
    async query(text: string, values?: unknown[]): Promise<unknown> {
      const connection = SimulatedConnection.pooled(network);
      await connection.open();
      try {
        return await query(connection, text, values);
      } finally {
        connection.drop();
      }
    },
    async transaction<T>(work: (manager: { query(text: string, values?: unknown[]): Promise<unknown> }) => Promise<T>): Promise<T> {
      const connection = SimulatedConnection.pooled(network);
      await connection.open();
      try {
        await connection.query({ text: 'BEGIN' });
        const result = await work({ query: (text, values) => query(connection, text, values) });
        await connection.query({ text: 'COMMIT' });
        return result;
      } finally {
        connection.drop();
      }
    },
  };
  return source as unknown as DataSource;
}
