import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The built program (npm run build), as an operator calls it; nothing answers at the address of its database. */
const purge = (...args: string[]): { status: number | null; stderr: string } =>
  spawnSync(process.execPath, [join('dist', 'src', 'purge.js'), ...args], {
    env: { PATH: process.env.PATH, DATABASE_URL: 'postgres://127.0.0.1:1/none' },
    encoding: 'utf8',
  });

it.each([
  [['--older-than', '30'], '--older-than needs a duration with a unit'],
  [['--older-than', '30d', '--path', '/billing/*'], '--path needs a path of the catalog'],
  [['--older-than', '30d', '--path', '*'], '--path needs a path of the catalog'],
  [['--older-than', '30d', '--status', 'running'], '--status knows'],
  [['--rules', 'completed=30'], '--rules:'],
])('refuses %j, which would remove something else than is meant, before it asks the database', (args, why) => {
  const { status, stderr } = purge(...args);
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(why) as string });
});

it.each([
  ['purge', ['--older-than', '30d']],
  ['rewrap-keys', []],
])('%s says in one line that no database answers, and what helps', (command, args) => {
  const folder = mkdtempSync(join(tmpdir(), 'command-'));
  const keys = join(folder, 'keys');
  writeFileSync(keys, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const { status, stderr } = spawnSync(process.execPath, [join('dist', 'src', `${command}.js`), ...args], {
    env: { PATH: process.env.PATH, DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/none', ENCRYPTION_KEY_FILE: keys },
    encoding: 'utf8',
  });
  rmSync(folder, { recursive: true });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^(rewrap-keys: )?PostgreSQL cannot be used at postgres:\/\/u:\*\*\*@127\.0\.0\.1:1\/none: .+ Start it, or correct DATABASE_URL\.\n$/,
  );
});
