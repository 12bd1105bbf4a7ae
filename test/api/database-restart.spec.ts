import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import { pino } from 'pino';
import { AppModule } from '../../src/app.module.js';
import { loadSettings } from '../../src/config/settings.js';
import { createHttpApp } from '../../src/http-app.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { type DurableServer, startDurableServer } from '../support/database.js';

const PLAYBOOK = `apiVersion: noetl.io/v1
kind: Playbook
metadata:
  name: restart
  path: tests/restart
workflow:
  - step: start
    next:
      - step: second
  - step: second
    next:
      - step: end
  - step: end
`;
const CLIENTS = 8;
const REFUSALS = ['database_unavailable', 'outcome_unknown', 'overloaded'];

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly json: { readonly execution_id?: string; readonly status?: string; readonly code?: string };
}

describe('a database that is restarted under load', () => {
  let server: DurableServer;
  let app: NestFastifyApplication;
  let url: string;
  let dataDir: string;
  const answers: Answer[] = [];

  beforeAll(async () => {
    server = await startDurableServer();
    dataDir = mkdtempSync(join(tmpdir(), 'showrunner-restart-'));
    const settings = loadSettings({ PATH: process.env.PATH, PORT: '0', LOG_LEVEL: 'silent', DATA_DIR: dataDir, PYTHON_WORKERS: '1' });
    const log = pino({ level: 'silent' });
    await runMigrations(server.url, log);
    app = await createHttpApp(AppModule.on({ url: server.url, directUrl: server.url }, settings, log), settings, log);
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    expect((await call('POST', '/catalog/register', { content: PLAYBOOK })).status).toBeLessThan(300);
  });
  afterAll(async () => {
    await app.close();
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function call(method: string, path: string, body?: object): Promise<Answer> {
    const answer = await fetch(url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: answer.status, type: answer.headers.get('content-type') ?? '', json: (await answer.json()) as Answer['json'] };
  }

  const start = (): Promise<Answer> => call('POST', '/execute', { path: 'tests/restart', parameters: {} });

  /** Asks until the answer is good; how many came before it. */
  async function untilServed(): Promise<void> {
    while ((await start()).status !== 202);
  }

  it('loses nothing that was acknowledged, refuses in plain words, and serves again', async () => {
    let loading = true;
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      let known: string | undefined;
      while (loading) {
        const answer = client % 2 === 0 || known === undefined ? await start() : await call('GET', `/executions/${known}`);
        known = answer.json.execution_id ?? known;
        answers.push(answer);
      }
    });
    // Fast shutdown, a crash of the whole server, and an immediate shutdown; whoever watches it starts it again.
    for (const signal of ['SIGINT', 'SIGKILL', 'SIGQUIT'] as const) {
      await untilServed();
      const before = answers.length;
      process.kill(postmaster(), signal);
      while (answers.slice(before).every(({ status }) => status < 500)) await call('GET', '/health/live');
      await untilServed();
    }
    loading = false;
    await Promise.all(clients);

    const refused = answers.filter(({ status }) => status >= 300);
    expect(
      refused.filter(({ status, type, json }) => status !== 503 || !type.includes('problem+json') || !REFUSALS.includes(json.code ?? '')),
    ).toEqual([]);
    expect(refused.some(({ json }) => json.code === 'database_unavailable')).toBe(true);

    const acknowledged = [...new Set(answers.filter(({ status }) => status === 202).map(({ json }) => json.execution_id ?? ''))];
    const db = new pg.Client(server.url);
    await db.connect();
    for (;;) {
      const { rows } = await db.query<{ open: number }>(
        `SELECT count(*)::int AS open FROM execution WHERE status NOT IN ('completed', 'failed', 'cancelled')`,
      );
      if (rows[0]?.open === 0) break;
    }
    const { rows } = await db.query<{ completed: number; gaps: number; held: number }>(
      `SELECT count(*) FILTER (WHERE e.status = 'completed' AND e.id = ANY($1::bigint[]))::int AS completed,
        count(*) FILTER (WHERE v.n <> e.last_seq OR v.top <> e.last_seq OR v.ends <> 1)::int AS gaps,
        count(*) FILTER (WHERE e.lease_token IS NOT NULL)::int AS held
       FROM execution e LEFT JOIN LATERAL (SELECT count(*) AS n, max(seq) AS top, count(*) FILTER (WHERE event_type = 'execution_completed') AS ends
         FROM execution_event v WHERE v.execution_id = e.id) v ON true`,
      [acknowledged],
    );
    expect(rows[0]).toEqual({ completed: acknowledged.length, gaps: 0, held: 0 });

    // Hints between nodes are heard again: the session that listens was made anew.
    let listening = 0;
    while (listening === 0) {
      const sessions = await db.query(`SELECT FROM pg_stat_activity WHERE application_name = 'showrunner:notify' AND query <> ''`);
      listening = sessions.rowCount ?? 0;
    }
    await db.end();
    expect((await call('GET', '/health/ready')).status).toBe(200);
  });

  function postmaster(): number {
    return Number(readFileSync(join(server.dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  }
});
