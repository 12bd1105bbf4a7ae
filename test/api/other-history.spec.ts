import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { AppModule } from '../../src/app.module.js';
import { loadSettings } from '../../src/config/settings.js';
import { createHttpApp } from '../../src/http-app.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { type DurableServer, startDurableServer } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { HttpClient } from '../support/http-client.js';
import { query } from '../support/sql.js';

const CHANGED = 'the database has another history than before';
const LONG = 180_000;

/** An address that leads to a server and, after a failover, to a standby that had not heard of everything. */
describe('a failover to another history', () => {
  let primary: DurableServer;
  let promoted: DurableServer | null;
  let proxy: CuttingProxy;
  let effects: EffectServer;
  let app: NestFastifyApplication;
  let service: HttpClient;
  let dataDir: string;
  let lines: string[];

  beforeEach(async () => {
    promoted = null;
    lines = [];
    [primary, effects] = [await startDurableServer(), await EffectServer.start()];
    proxy = await CuttingProxy.before(primary.url);
    dataDir = mkdtempSync(join(tmpdir(), 'showrunner-failover-'));
    const settings = loadSettings({
      PATH: process.env.PATH,
      PORT: '0',
      DATA_DIR: dataDir,
      PYTHON_WORKERS: '1',
      LEASE_SECONDS: '4',
      OUTBOUND_ALLOW: `127.0.0.1:${effects.port}`,
    });
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    await runMigrations(primary.url, log);
    app = await createHttpApp(AppModule.on({ url: proxy.url, directUrl: proxy.url }, settings, log), settings, log);
    await app.listen(0, '127.0.0.1');
    service = new HttpClient(await app.getUrl());
  });
  afterEach(async () => {
    await app.close();
    await proxy.close();
    await effects.close();
    await primary.stop();
    await promoted?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const http = (step: string, path: string, next: string): string =>
    `  - step: ${step}\n    type: http\n    endpoint: http://127.0.0.1:${effects.port}${path}\n    timeout: 120\n    next: ${next}\n`;
  const playbook = (name: string, path: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${name}, path: ${name} }
workflow:
${http('start', path, 'last')}${http('last', '/last', 'end')}  - step: end
    result: { held: '{{ start.data.path }}' }
`;
  const changes = (): number => lines.filter((line) => line.includes(CHANGED) && line.includes('"level":50')).length;
  /** Starts until it is accepted: while the database goes over, refusals are right. */
  async function started(path: string): Promise<string> {
    for (;;) {
      const { status, json } = await service.post('/execute', { path });
      if (status === 202) return String(json['execution_id']);
      expect(status).toBe(503);
    }
  }
  const rowsOf = (server: DurableServer, id: string): Promise<object[]> =>
    query(
      server.url,
      `SELECT e.last_seq, e.status, (SELECT max(seq) FROM execution_event WHERE execution_id = e.id) AS events FROM execution e WHERE id = ${id}`,
    );

  it.each(['cut', 'kept'] as const)(
    'drops what it holds, and serves what is there now; connections to the former server are %s',
    async (open) => {
      await service.register(playbook('known', '/hold/known'));
      const both = await service.execute('known');
      await effects.called('/hold/known', 1);
      promoted = await primary.fork();
      proxy.pointTo(primary.url, 'cut');
      // What the standby never heard of.
      await started('known');
      await service.register(playbook('lost', '/hold/lost'));
      const lost = await started('lost');
      await effects.called('/hold/lost', 1);
      expect(changes()).toBe(0);
      const before = await rowsOf(primary, lost);
      const [number] = await query<{ lease_token: string }>(primary.url, `SELECT lease_token FROM node`);

      proxy.pointTo(promoted.url, open);
      if (open === 'kept') {
        // One connection is made anew, for whatever reason; it must be enough for all others.
        await query(primary.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'showrunner:notify'`);
      }
      while (changes() === 0) await new Promise((done) => setTimeout(done, 20));
      expect((await service.get(`/executions/${lost}`)).status).toBe(404);
      expect((await service.post('/execute', { path: 'lost' })).status).toBe(404);
      effects.release();

      const fresh = await started('known');
      expect(await service.waitDone(fresh)).toMatchObject({ status: 'completed', result: { held: expect.any(String) as string } });
      expect(await service.waitDone(both, 60)).toMatchObject({ status: 'completed' });
      expect(await rowsOf(primary, lost)).toEqual(before);
      expect(await rowsOf(promoted, lost)).toEqual([]);
      // Of the four that were started, two belong to the former history: their next effects never came.
      expect(effects.of('/last')).toHaveLength(2);
      for (const id of [both, fresh]) {
        const events = await service.events(id);
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, at) => at + 1));
        expect(events.at(-1)?.event_type).toBe('execution_completed');
      }
      const numbers = await query<{ lease_token: string }>(promoted.url, `SELECT lease_token FROM node WHERE lease_until > now()`);
      expect(numbers.some(({ lease_token }) => lease_token !== number?.lease_token)).toBe(true);
      expect(changes()).toBe(1);
    },
    LONG,
  );
});
