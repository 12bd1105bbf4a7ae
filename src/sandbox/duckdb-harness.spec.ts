import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonObject } from '../engine/values.js';
import { duckDbHarness } from './duckdb-harness.js';
import { launchNode } from './node-runtime.js';
import { ProcessPool } from './process-pool.js';

const MEBIBYTE = 1_048_576;
const MODULE = join(import.meta.dirname, '../../test/support/duckdb-with-postgres.cjs');

describe('duckdb with an extension for PostgreSQL', () => {
  const base = mkdtempSync(join(tmpdir(), 'showrunner-attach-'));
  const escaped = join(base, 'escaped.csv');
  let pool: ProcessPool;
  beforeAll(async () => {
    const settings = {
      leaseMs: 15_000,
      memoryBytes: 1024 * MEBIBYTE,
      memoryLimit: '128MiB',
      maxTempBytes: MEBIBYTE,
      threads: 1,
      resultBytes: MEBIBYTE,
      extensions: base,
    };
    const launch = await launchNode('process', { harness: duckDbHarness(MODULE), folders: [], dropRights: false, settings });
    pool = new ProcessPool({ launch: launch!, workers: 1, callsPerWorker: 100, leaseMs: 15_000, maxFrameBytes: 2 * MEBIBYTE });
  });
  afterEach(() => rmSync(escaped, { force: true }));
  afterAll(async () => {
    await pool.close();
    rmSync(base, { recursive: true, force: true });
  });

  const run = (text: string): Promise<JsonObject> => {
    const secrets = [{ name: 'a', type: 'postgres', parameters: { HOST: '127.0.0.1' } }];
    const statements = [{ text, ownText: text, values: [] }];
    const call = { folder: base, database: join(base, 'private.duckdb'), secrets, statements, transaction: true, files: {}, maxRows: 10 };
    return pool.call('default', call, new AbortController().signal);
  };

  it('attaches the database of a secret before its configuration is locked', async () =>
    expect(await run(`-- the warehouse\nATTACH '' AS pg (TYPE postgres, SECRET a)`)).toMatchObject({ ok: true }));

  // Two readers of SQL may differ about where a comment ends, and so about what the statement is.
  it.each<[string, string]>([
    ['comments in each other', `/* /* */ ATTACH '' AS "x */ COPY (SELECT 42) TO '${escaped}' -- " (TYPE postgres, SECRET a)`],
    ['another end of a line', `--\rCOPY (SELECT '\nATTACH '' AS "x') TO '${escaped}' -- " (TYPE postgres, SECRET a)`],
  ])('performs nothing else before: %s', async (_name, text) => {
    await run(text);
    expect(existsSync(escaped)).toBe(false);
  });
});
