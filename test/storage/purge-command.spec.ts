import { spawnSync } from 'node:child_process';
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
