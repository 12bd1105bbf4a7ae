import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { newRun, ScriptedRun, stepEvent } from '../../src/engine/testing/scripted-run.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { type DurableServer, startDurableServer } from '../support/database.js';
import { openStorage } from '../support/storage.js';

describe('a commit whose wait for the synchronous standby is cut short', () => {
  let server: DurableServer;
  let operator: pg.Client;

  beforeAll(async () => {
    server = await startDurableServer();
    await runMigrations(server.url, SILENT_LOG);
    operator = new pg.Client(server.url);
    await operator.connect();
    await operator.query('SET synchronous_commit = local');
  });
  afterAll(async () => {
    await operator.end();
    await server.stop();
  });

  /** Waits until a commit of the writer stands still for the standby; the process id of its session. */
  async function waitingCommit(otherThan: number | null): Promise<number> {
    for (;;) {
      const { rows } = await operator.query<{ pid: number; query: string }>(
        `SELECT pid, query FROM pg_stat_activity WHERE application_name = 'showrunner:writer' AND wait_event = 'SyncRep'`,
      );
      const found = rows.find(({ query }) => otherThan === null || query === 'COMMIT');
      if (found !== undefined) return found.pid;
      await sleep(10);
    }
  }

  async function standby(name: string): Promise<void> {
    await operator.query(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`);
    await operator.query('SELECT pg_reload_conf()');
  }

  /** A new setting reaches the sessions some moments after the reload: commits until one stands still for it. */
  async function standbyIsAwaited(): Promise<void> {
    const probe = new pg.Client(server.url);
    await probe.connect();
    const { rows } = await probe.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    for (let stands = false; !stands;) {
      const committed = probe.query('CREATE TEMPORARY TABLE probe (); DROP TABLE probe').then(
        () => true,
        () => true,
      );
      while (!stands && !(await Promise.race([committed, sleep(10).then(() => false)]))) {
        const { rowCount } = await operator.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`, [rows[0]?.pid]);
        stands = rowCount === 1;
      }
      if (stands) await operator.query('SELECT pg_cancel_backend($1)', [rows[0]?.pid]);
      await committed;
    }
    await probe.end();
  }

  it('is told to nobody before the standby has it', async () => {
    const node = await openStorage(server.url, { connections: 1 });
    const run = new ScriptedRun(node.store, newRun('77'), randomUUID());
    await run.create();
    await standby('nobody_here');
    await standbyIsAwaited();
    const told: string[] = [];
    const outcomes = Promise.all([
      run.write({ events: [stepEvent('a')] }),
      new ScriptedRun(node.store, newRun('78'), randomUUID()).create(),
    ]);
    void outcomes.then(() => told.push('committed'));
    const pid = await waitingCommit(null);
    await operator.query('SELECT pg_cancel_backend($1)', [pid]); // the server answers success, with a warning
    await waitingCommit(pid); // the writer asks again, in a transaction that waits for the standby itself
    expect(told).toEqual([]);
    await standby('');
    expect((await outcomes).map(({ kind }) => kind)).toEqual(['committed', 'committed']);
    const [count] = await node.db.query<Record<string, string>[]>(
      `SELECT count(*) AS events, count(DISTINCT execution_id) AS runs FROM execution_event`,
    );
    expect(count).toEqual({ events: '3', runs: '2' });
    await node.close();
  });
});
