// Trials of single promises, each at a scale that fits minutes: npm run trial -- <name> [--minutes N] [--seed S]. See README.md beside this file.
// Exit codes: 0 passed, 1 a bound is broken, 2 a wrong option, 3 the trial proves nothing.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../chaos/random.mjs';
import { newFolder } from '../chaos/world/world.mjs';
import { trialOptions } from './options.mjs';
import { Verdict } from './verdict.mjs';

/**
 * name -> what it tries, how many minutes it takes where nothing is said, and its module, loaded only when it runs. A module exports
 * `run({ minutes, seed, random, folder, say, verdict })`, which fills the verdict and leaves no process behind. `options`: what else it must be told on
 * the command line, handed to `run` by the same names.
 */
const TRIALS = {
  timers: { about: 'durable timers, while nodes are restarted and then all away', minutes: 5, module: './timers.mjs' },
  overload: { about: 'ten times the load that the queue can take', minutes: 5, module: './overload.mjs' },
  poison: {
    about: 'definitions and rows that crash or hang whoever works on them, and 1,000 neighbours',
    minutes: 6,
    module: './poison.mjs',
  },
  disk: { about: 'a full disk under the database, and a busy machine', minutes: 5, module: './disk.mjs' },
  backup: { about: 'backups taken while it works, restored, and gone on with', minutes: 3, module: './backup.mjs' },
  memory: { about: 'large payloads in a node of 512 MiB', minutes: 5, module: './memory.mjs' },
  upgrade: {
    about: 'another version of the program takes over while it works, is taken back, and takes over again',
    minutes: 5,
    module: './upgrade.mjs',
    options: {
      from: {
        initial: null,
        check: (path) => ['dist/src/main.js', 'test/chaos/world/program.mjs'].every((file) => existsSync(join(path, file))),
        hint: 'the folder of another checkout that has been built',
      },
    },
  },
};

const { name, minutes, seed, own } = trialOptions(process.argv.slice(2), TRIALS);
const since = Date.now();
const say = (text) => console.log(`[${String(Math.round((Date.now() - since) / 1000)).padStart(4)} s] ${text}`);
const folder = newFolder();
console.log(`trial ${name}: ${TRIALS[name].about}; seed ${seed}, ${minutes} min\n       records in ${folder}`);

const verdict = new Verdict();
try {
  const { run } = await import(TRIALS[name].module);
  await run({ minutes, seed, random: new Random(seed), folder, say, verdict, ...own });
} catch (error) {
  console.log(error.stack);
  verdict.needs(false, `it did not come to its end: ${error.message}`);
}
// The records stay where they are needed; the program and the database's files would only fill the disk.
for (const part of ['database', 'program']) rmSync(join(folder, part), { recursive: true, force: true });
const code = verdict.conclude(name, seed);
if (code === 0) rmSync(folder, { recursive: true, force: true });
process.exit(code);
