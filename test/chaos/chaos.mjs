// The independent checker: npm run chaos -- --minutes N --seed S. See README.md beside this file.
// Exit codes: 0 nothing found, 1 a violation, 2 a wrong option, 3 the run proves nothing.
import { rmSync } from 'node:fs';
import { join as joinPaths } from 'node:path';
import { DECKS } from './nemesis/decks.mjs';
import { OPERATIONS } from './clients/operations.mjs';
import { chaosOptions } from './options.mjs';
import { Random } from './random.mjs';
import { addUp, explain, join, lacks, spread } from './report.mjs';
import { round } from './round.mjs';
import { newFolder, World } from './world/world.mjs';

/** Fewer acknowledged executions prove nothing; the short run of the test command has its own bound. */
const FLOOR = { full: 5_000, short: 500 };
const ROUND_SECONDS = 90;

const NO_WEIGHTS = Object.fromEntries(Object.keys(OPERATIONS).map((name) => [name, 0]));

const options = chaosOptions(process.argv.slice(2));
const { seed, profile } = options;
const since = Date.now();
const say = (text) => console.log(`[${String(Math.round((Date.now() - since) / 1000)).padStart(4)} s] ${text}`);
const random = new Random(seed);
const folder = newFolder();
console.log(
  `chaos: seed ${seed}, ${options.minutes} min, ${options.nodes} nodes, ${options.clients} clients, lease ${options.leaseMs} ms, profile ${profile}, deck ${options.deck}`,
);
console.log(`       records in ${folder}`);

const deck = DECKS[options.deck];
const world = await World.build({ ...options, folder, random, short: profile === 'short', withLedger: true, nodeEnv: deck.nodeEnv });
const roundSeconds = deck.roundSeconds ?? ROUND_SECONDS;
const totals = {};
const samples = {};
let violation = null;
try {
  const planned = options.minutes * 60;
  for (let spent = 0, number = 1; violation === null; number++) {
    // What proves nothing yet, on a slow machine, goes on for as long again.
    const seconds = Math.min(roundSeconds, (spent < planned || lacks(totals, FLOOR[profile]).length === 0 ? planned : 2 * planned) - spent);
    if (seconds <= 0) break;
    spent += seconds;
    const label = `r${number}`;
    const {
      facts,
      counts,
      samples: measured,
    } = await round({
      world,
      label,
      seconds,
      clients: deck.clients ?? options.clients,
      deck,
      weights: deck.weights && { ...NO_WEIGHTS, ...deck.weights },
      random: random.stream(label),
      say,
    });
    addUp(totals, counts);
    join(samples, measured);
    say(`${label}: ${JSON.stringify(counts)}`);
    say(`${label}: ${JSON.stringify(facts.notes)}`);
    if (facts.violations.length > 0) violation = { facts, file: await explain(world, facts) };
  }
} finally {
  await world.close();
  // The records stay where they are needed; the program and the database's files would only fill the disk.
  for (const name of ['database', 'ledger', 'program']) rmSync(joinPaths(folder, name), { recursive: true, force: true });
}

console.log(
  `\ncounts: ${JSON.stringify(totals)}; memory of the nodes at most ${world.nodes.map(({ peakRss }) => `${peakRss} MiB`).join(', ')}`,
);
join(samples, {
  'until what a killed node held was claimed again': world.claims.afterCrash,
  'until what a stopping node gave back was claimed again': world.claims.afterStop,
});
for (const line of spread(samples)) console.log(line);
if (violation !== null) {
  const { facts, file } = violation;
  console.log(
    `VIOLATION (${facts.violations.length}), seed ${seed}. The first: (${facts.violations[0].check}) execution ${facts.violations[0].execution}: ${facts.violations[0].message}`,
  );
  console.log(JSON.stringify(facts.violations[0].evidence, null, 1).slice(0, 3_000));
  for (const { check, execution, message } of facts.violations.slice(1, 15)) console.log(`  (${check}) ${execution}: ${message}`);
  console.log(`History, rows and calls of that execution: ${file}`);
  process.exit(1);
}
const reasons = lacks(totals, FLOOR[profile]);
if (reasons.length > 0) {
  console.log(`DOES NOT COUNT, seed ${seed}: ${reasons.join('; ')}.`);
  process.exit(3);
}
rmSync(folder, { recursive: true, force: true });
console.log(`passed: no violation, seed ${seed}`);
process.exit(0);
