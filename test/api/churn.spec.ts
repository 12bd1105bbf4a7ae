import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { AppModule } from '../../src/app.module.js';
import { loadSettings } from '../../src/config/settings.js';
import { type JsonObject } from '../../src/engine/values.js';
import { createHttpApp } from '../../src/http-app.js';
import { AnnouncedUnits } from '../../src/storage/batch/announced-units.js';
import { BatchWriter } from '../../src/storage/batch/batch-writer.js';
import { CallerHints } from '../../src/storage/claiming/caller-hints.js';
import { Claiming } from '../../src/storage/claiming/claiming.js';
import { CommitSignals } from '../../src/storage/commit-signals.js';
import { GivingBack } from '../../src/storage/claiming/giving-back.js';
import { HeldRuns } from '../../src/storage/claiming/held-runs.js';
import { Inbox } from '../../src/storage/inbox.js';
import { LeaseRenewal } from '../../src/storage/claiming/lease-renewal.js';
import { Notifications } from '../../src/storage/connection/notifications.js';
import { RunQueue } from '../../src/storage/claiming/run-queue.js';
import { RunWaits } from '../../src/storage/run-waits.js';
import { StartAnswers } from '../../src/storage/claiming/start-answers.js';
import { StuckUnits } from '../../src/storage/batch/stuck-units.js';
import { UnitsUnderWay } from '../../src/storage/batch/units-under-way.js';
import { Worker } from '../../src/worker/worker.service.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/storage.js';

const PLAYBOOK = `apiVersion: noetl.io/v1
kind: Playbook
metadata:
  name: churn
  path: tests/churn
workflow:
  - step: start
    next:
      - step: end
  - step: end
`;
const RUNS = 20_000;
const AT_ONCE = 100;
/** Everything that remembers something for each run. */
const MEMORIES = [BatchWriter, CommitSignals, HeldRuns, Inbox, LeaseRenewal, Notifications, RunQueue, RunWaits, Worker];
/** Parts of these that do. */
const PARTS = [AnnouncedUnits, StuckUnits, UnitsUnderWay, CallerHints, Claiming, GivingBack, StartAnswers];

describe('a node after 20,000 runs', () => {
  let database: TestDatabase;
  let app: NestFastifyApplication;
  let dataDir: string;

  beforeAll(async () => {
    database = await createMigratedDatabase();
    dataDir = mkdtempSync(join(tmpdir(), 'showrunner-churn-'));
    const env = {
      PATH: process.env.PATH,
      PORT: '0',
      LOG_LEVEL: 'silent',
      DATA_DIR: dataDir,
      PYTHON_WORKERS: '1',
      MAX_IN_FLIGHT_RUNS: '60',
    };
    const settings = loadSettings(env);
    const log = pino({ level: 'silent' });
    app = await createHttpApp(AppModule.on({ url: database.url, directUrl: database.url }, settings, log), settings, log);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function call(method: 'GET' | 'POST', url: string, payload?: object, headers: Record<string, string> = {}): Promise<JsonObject> {
    const answer = await app.inject({ method, url, headers, ...(payload ? { payload } : {}) });
    const json = JSON.parse(answer.body) as JsonObject;
    if (answer.statusCode >= 500 && json.code !== 'overloaded') throw new Error(answer.body);
    return json;
  }

  /** Sizes of the sets and maps of the object, and of what it is made of. */
  function sizes(owner: object, name: string, found: Record<string, number> = {}, seen = new Set<object>()): Record<string, number> {
    if (seen.has(owner)) return found;
    seen.add(owner);
    for (const [key, value] of Object.entries(owner) as [string, unknown][]) {
      if (value instanceof Map || value instanceof Set) found[`${name}.${key}`] = value.size;
      else if (PARTS.some((part) => value instanceof part)) sizes(value as object, `${name}.${key}`, found, seen);
    }
    return found;
  }
  const memories = (): Record<string, number> =>
    Object.assign({}, ...MEMORIES.map((type) => sizes(app.get<object>(type, { strict: false }), type.name))) as Record<string, number>;

  it('remembers nothing of them', async () => {
    await call('POST', '/catalog/register', { content: PLAYBOOK });
    const before = memories();
    const listeners = process.eventNames().map((name) => process.listenerCount(name));
    let started = 0;
    const clients = Array.from({ length: AT_ONCE }, async () => {
      while (started < RUNS) {
        const n = ++started;
        // Waits, starts that are not waited for, cancels that come too late or in time, waits that run out at once.
        const { execution_id: id } = await call(
          'POST',
          '/execute',
          { path: 'tests/churn', parameters: { n }, ...(n % 40 === 0 ? { sync_to_postgres: false } : {}) },
          n % 2 === 0 ? { prefer: 'wait=10' } : {},
        );
        if (id === undefined) continue; // one without rows, at a moment when the node is full
        if (n % 10 === 1) await call('POST', `/executions/${String(id)}/cancel`);
        if (n % 10 === 3) await call('GET', `/executions/${String(id)}`, undefined, { prefer: 'wait=5' });
      }
    });
    await Promise.all(clients);
    const queue = app.get(RunQueue, { strict: false });
    const held = app.get(HeldRuns, { strict: false });
    const writer = app.get(BatchWriter, { strict: false });
    const worker = app.get(Worker, { strict: false });
    while (held.ids().length > 0 || worker.capacity() < 60) {
      queue.wake(); // what was stored without a holder is still to be claimed
      await writer.flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.flush();
    expect(memories()).toEqual(before);
    expect(process.eventNames().map((name) => process.listenerCount(name))).toEqual(listeners);
  });
});
