// One version of the program is replaced by another while executions are under way, taken back, and replaced again (R11).
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { explain } from '../chaos/report.mjs';
import { round } from '../chaos/round.mjs';
import { Database } from '../chaos/world/database.mjs';
import { copyProgram } from '../chaos/world/program.mjs';
import { ServiceNode } from '../chaos/world/service-node.mjs';
import { freePort, World } from '../chaos/world/world.mjs';
import { spread } from './figures.mjs';
import { Availability } from './upgrade/availability.mjs';
import { Rolls } from './upgrade/rolls.mjs';
import { Standing } from './upgrade/standing.mjs';

const LEASE_MS = 3_000;
const CLIENTS = 12;
const STANDING = 500;
/** How often three nodes start at once on a database, for each minute of the trial. */
const STARTS = { empty: 5, full: 1 };

export async function run({ minutes, random, folder, say, verdict, from }) {
  const older = (await itsOwn(from, 'world/program.mjs')).copyProgram(join(folder, 'older'));
  const { BLOCKS, LAST_BLOCKS } = await itsOwn(from, 'generator/blocks.mjs');
  const known = (block) => block in BLOCKS || block in LAST_BLOCKS;
  const world = await World.build({ folder, nodes: 2, leaseMs: LEASE_MS, random, short: true, program: older, withLedger: true });
  const newer = copyProgram(join(folder, 'program'));
  try {
    const { nodes, database } = world;
    const before = await migrations(database);
    const until = Date.now() + minutes * 60_000;
    const standing = await Standing.begin(nodes, STANDING, until, known);
    say(`${STANDING} executions stand, ${before.length} migrations`);
    const availability = await Availability.begin(nodes);
    const rolls = new Rolls({
      world,
      programs: [older, newer],
      random: random.stream('rolls'),
      say,
      onNewer: () => standing.changeDefinition(),
    });
    const { facts, counts } = await round({
      world,
      label: 'u1',
      seconds: Math.max(1, Math.round((until - Date.now()) / 1_000)),
      clients: CLIENTS,
      known,
      deck: { gapMs: [1, 1], faults: [], leave: 1, thinkMs: 100 },
      random: random.stream('u1'),
      nemesis: rolls,
      say,
    });
    await availability.stop();
    say(`${JSON.stringify(counts)} ${JSON.stringify(facts.notes)}`);
    if (facts.violations.length > 0) say(`the first violation is explained in ${await explain(world, facts)}`);
    const open = await standing.open(database);
    const wrong = await standing.finish(database, 90_000);
    const after = await migrations(database);
    verdict.figure('acknowledged; standing and called; migrations before and after', [
      counts.acknowledged,
      open,
      before.length,
      after.length,
    ]);
    verdict.figure('rolls; nodes replaced by SIGTERM; by kill -9', [rolls.count, rolls.stopped, rolls.killed]);
    verdict.figure('milliseconds until a start was acknowledged, ten a second', spread(availability.waits));
    verdict.bound(
      'no violation in what was started and ended meanwhile',
      facts.violations.length === 0,
      facts.violations.slice(0, 8).map(({ check, execution, message }) => `(${check}) ${execution}: ${message}`),
    );
    verdict.bound('what stood came to what it must, with the definition it began with', wrong.length === 0, [
      `${STANDING - wrong.length} of ${STANDING}`,
      ...wrong.slice(0, 6),
    ]);
    verdict.bound('every migration once', new Set(after).size === after.length, `${after.length}`);
    verdict.bound(
      'no start waited for more than a second',
      Math.max(0, ...availability.waits) <= 1_000,
      `${availability.waits.length} starts`,
    );
    verdict.needs(rolls.count >= 3, `only ${rolls.count} rolls: forwards, back and forwards again are needed`);
    verdict.needs(counts.acknowledged >= 100 * minutes, `only ${counts.acknowledged} acknowledged executions`);
    await Promise.all(nodes.map((node) => node.close()));
    await startTogether({ folder, newer, minutes, worked: database, say, verdict });
  } finally {
    await world.close();
  }
}

/** The other checkout's checker knows where its program has fault points, where its calls say who makes them, and what it can run. */
async function itsOwn(from, file) {
  return await import(pathToFileURL(resolve(from, 'test/chaos', file)).href);
}

async function migrations(database) {
  return (await database.read('SELECT name FROM migrations ORDER BY id')).map(({ name }) => name);
}

/** Three nodes that start at once on an empty database, of which one migrates it, and on the one that has been worked on. */
async function startTogether({ folder, newer, minutes, worked, say, verdict }) {
  const empty = [];
  for (let i = 0; i < Math.max(1, Math.round(STARTS.empty * minutes)); i++) {
    const database = await Database.start(join(folder, `database-${i}`));
    empty.push(await threeStart(database, newer, join(folder, 'together')));
    await database.stop();
    rmSync(join(folder, `database-${i}`), { recursive: true, force: true });
    if (i % 5 === 4) say(`three nodes at once on an empty database: ${i + 1} times`);
  }
  const full = [];
  for (let i = 0; i < Math.max(1, Math.round(STARTS.full * minutes)); i++)
    full.push(await threeStart(worked, newer, join(folder, 'together')));
  for (const [name, broken] of Object.entries({ 'an empty one': empty, 'the one that has been worked on': full }))
    verdict.bound(`three nodes that start at once on a database, ${name}`, broken.flat().length === 0, [
      `${broken.length} times`,
      ...broken.flat().slice(0, 3),
    ]);
}

/** @returns what went wrong */
async function threeStart(database, program, folder) {
  const nodes = [];
  for (let index = 0; index < 3; index++) {
    const env = { DATABASE_URL: database.url };
    nodes.push(new ServiceNode({ index, port: await freePort(), folder, program, env, nextEnv: () => ({}) }));
  }
  try {
    for (const node of nodes) node.start();
    await Promise.all(nodes.map((node) => node.ready()));
    const names = await migrations(database);
    return [...(new Set(names).size === names.length ? [] : [names]), ...nodes.flatMap(({ unexpectedEnds }) => unexpectedEnds)];
  } catch (error) {
    return [error.message];
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}
