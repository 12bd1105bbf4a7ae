import pg from 'pg';
import { Database } from './database.mjs';

/** A database of the playbooks' own, which no fault touches: where their saves put rows. */
export class Ledger {
  table = 'saved';

  constructor(database) {
    this.database = database;
  }

  static async start(folder) {
    const ledger = new Ledger(await Database.start(folder, { max_connections: '50', shared_buffers: '16MB' }));
    const client = new pg.Client({ connectionString: ledger.url });
    await client.connect();
    await client.query(`CREATE TABLE ${ledger.table} (execution bigint, step text, v bigint NOT NULL, PRIMARY KEY (execution, step))`);
    await client.end();
    return ledger;
  }

  get url() {
    return this.database.url;
  }

  get port() {
    return this.database.port;
  }

  async stop() {
    await this.database.stop();
  }
}
