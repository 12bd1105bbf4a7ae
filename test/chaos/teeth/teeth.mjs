// Whether the checker would find a lie: npm run chaos:teeth. Each seeded bug is built into a copy of the program and must be caught; the unbroken
// program under the same faults must not be.
// Exit codes: 0 as it must be, 1 not, 2 a wrong option.
import { rmSync } from 'node:fs';
import { teethOptions } from '../options.mjs';
import { Random } from '../random.mjs';
import { explain } from '../report.mjs';
import { round } from '../round.mjs';
import { newFolder, World } from '../world/world.mjs';
import { BUGS } from './bugs.mjs';

const CLIENTS = 16;
const LEASE_MS = 3_000;
const ROUND_SECONDS = 25;

const options = teethOptions(process.argv.slice(2), Object.keys(BUGS));
const results = [];
for (const name of options.only) {
  const found = await hunt(name, BUGS[name]);
  results.push({ name, ...found });
  console.log(
    found.caught
      ? `violation: ${name} in ${found.seconds} s by (${found.check}) ${found.message}`
      : `no violation: ${name} in ${found.seconds} s`,
  );
}
console.log('');
let wrong = 0;
for (const { name, caught, seconds, check, message } of results) {
  const right = caught !== (BUGS[name].changes.length === 0);
  if (!right) wrong += 1;
  console.log(
    `${right ? 'ok   ' : 'WRONG'}  ${name.padEnd(26)} ${String(seconds).padStart(4)} s  ${caught ? `(${check}) ${message.slice(0, 120)}` : 'no violation'}`,
  );
}
process.exit(wrong === 0 ? 0 : 1);

/** Runs the broken program until a check fails. The time counts from when its nodes are up. */
async function hunt(name, { says, changes, only, weights, faults, nodeEnv, keyed, overlap = false, rounds = Infinity }) {
  console.log(`\n== ${name}: ${says} (seed ${options.seed})`);
  const random = new Random(`${options.seed}/${name}`);
  const folder = newFolder();
  const world = await World.build({ folder, nodes: 2, leaseMs: LEASE_MS, changes, nodeEnv, random, short: true });
  const since = performance.now();
  const seconds = () => Math.round((performance.now() - since) / 1000);
  const say = (text) => console.log(`[${String(seconds()).padStart(4)} s] ${text}`);
  try {
    for (let number = 1; number <= rounds && seconds() < options.minutes * 60; number++) {
      const label = `t${number}`;
      const deck = { gapMs: [300, 1_200], faults, overlap };
      const { facts } = await round({
        world,
        label,
        seconds: ROUND_SECONDS,
        clients: CLIENTS,
        deck,
        random: random.stream(label),
        weights,
        only,
        keyed,
        say,
      });
      const [first] = facts.violations;
      if (first === undefined) continue;
      say(`${facts.violations.length} violations; the first: ${JSON.stringify(first.evidence).slice(0, 1_500)}`);
      await explain(world, facts);
      return { caught: true, seconds: seconds(), check: first.check, message: first.message };
    }
    return { caught: false, seconds: seconds() };
  } finally {
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
