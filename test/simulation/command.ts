import { generate } from './generator.js';
import { type Mutant, MUTANTS } from './mutants.js';
import { asRegression, describeFailure } from './report.js';
import { shrink } from './shrink.js';
import { simulate } from './world.js';

const PROGRESS_MS = 5_000;

interface Options {
  readonly seeds: number;
  readonly seed: number;
  readonly mutant: Mutant | null;
}

const USAGE = `npm run simulate -- [--seeds <how many, from 1>] [--seed <the first>] [--mutant <${Object.keys(MUTANTS).join(' | ')}>]`;

/** @returns null where an option is wrong; then it has said so */
function readOptions(argv: readonly string[], say: (line: string) => void): Options | null {
  const options = { seeds: 2_000, seed: 1, mutant: null as Mutant | null };
  for (let at = 0; at < argv.length; at += 2) {
    const [name, value] = [argv[at]!, argv[at + 1]];
    const isNumber = value !== undefined && /^\d{1,9}$/.test(value);
    if (name === '--seeds' && isNumber && Number(value) > 0) options.seeds = Number(value);
    else if (name === '--seed' && isNumber) options.seed = Number(value);
    else if (name === '--mutant' && value !== undefined && Object.hasOwn(MUTANTS, value)) options.mutant = value as Mutant;
    else {
      say(`simulate: ${value === undefined ? `${name} is unknown or lacks its value` : `${name} ${value} is no option`}\n${USAGE}`);
      return null;
    }
  }
  return options;
}

/** Simulates as many seeds as asked for; stops at the first that breaks a promise, and shrinks it. @returns the exit code */
export async function command(argv: readonly string[], say: (line: string) => void): Promise<number> {
  const options = readOptions(argv, say);
  if (!options) return 2;
  const { seeds, seed: first, mutant } = options;
  const since = performance.now();
  const sum = { seeds: 0, turns: 0, virtualMs: 0, executions: 0, effects: 0 };
  let toldAt = since;
  const tell = (): void => {
    const seconds = (performance.now() - since) / 1000;
    const perSecond = (n: number): string => (n / seconds).toFixed(0);
    say(
      `seeds ${first}..${first + sum.seeds - 1} hold: ${perSecond(sum.seeds)} seeds/s, ${perSecond(sum.turns)} turns/s, ` +
        `${sum.executions} executions, ${sum.effects} effects, ${(sum.virtualMs / 3_600_000).toFixed(1)} h of virtual time in ${seconds.toFixed(0)} s`,
    );
  };
  say(`simulating seeds ${first}..${first + seeds - 1}${mutant ? `, and ${MUTANTS[mutant]}` : ''}`);
  for (let seed = first; seed < first + seeds; seed++) {
    const scenario = generate(seed);
    const result = await simulate(scenario, mutant);
    const [violation] = result.history.violations;
    if (violation) {
      say(describeFailure(seed, result));
      say('\nshrinking ...');
      const smallest = await shrink(scenario, violation.rule, mutant);
      say(`\n${describeFailure(seed, await simulate(smallest, mutant))}`);
      say(`\nfor test/simulation/regressions.spec.ts:\n${asRegression(smallest, violation.rule)}`);
      return 1;
    }
    sum.seeds += 1;
    sum.turns += result.turns;
    sum.virtualMs += result.virtualMs;
    sum.executions += result.executions;
    sum.effects += result.effects;
    if (performance.now() - toldAt > PROGRESS_MS) {
      toldAt = performance.now();
      tell();
    }
  }
  tell();
  return 0;
}
