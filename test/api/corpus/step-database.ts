import { type JsonObject } from '../../../src/engine/values.js';
import { startDurableServer } from '../../support/database.js';
import { query } from '../../support/sql.js';

/** What documents say of the database they were written for. */
const LOGIN = { user: 'demo', password: 'demo', database: 'demo_noetl' } as const;

/** The PostgreSQL of the documents: a server of its own, with the login that their authors used. */
export class StepDatabase {
  private constructor(
    private readonly url: string,
    /** As `OUTBOUND_ALLOW` names it. */
    readonly address: string,
    private readonly end: () => Promise<void>,
  ) {}

  static async start(): Promise<StepDatabase> {
    const server = await startDurableServer();
    await query(server.url, `CREATE ROLE ${LOGIN.user} LOGIN PASSWORD '${LOGIN.password}'`);
    await query(server.url, `CREATE DATABASE ${LOGIN.database} OWNER ${LOGIN.user}`);
    const { hostname, port } = new URL(server.url);
    const url = `postgresql://${LOGIN.user}:${LOGIN.password}@${hostname}:${port}/${LOGIN.database}`;
    return new StepDatabase(url, `${hostname}:${port}`, server.stop);
  }

  get port(): string {
    return new URL(this.url).port;
  }

  /** The data of a credential that leads there. */
  get credential(): JsonObject {
    const { hostname, port } = new URL(this.url);
    return { db_host: hostname, db_port: Number(port), db_user: LOGIN.user, db_password: LOGIN.password, db_name: LOGIN.database };
  }

  query(statement: string, values: readonly unknown[] = []): Promise<JsonObject[]> {
    return query<JsonObject>(this.url, statement, values);
  }

  /** Drops all tables, so that documents do not find each other's. */
  async empty(): Promise<void> {
    await this.query(`DROP SCHEMA public CASCADE; CREATE SCHEMA public`);
  }

  stop(): Promise<void> {
    return this.end();
  }
}
