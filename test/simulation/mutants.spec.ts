import { generate } from './generator.js';
import { type Mutant, MUTANTS } from './mutants.js';
import { simulate } from './world.js';

const MOST_SEEDS = 2_000;

/** The first seed that notices a broken rule, and how. */
async function noticed(mutant: Mutant): Promise<string | null> {
  for (let seed = 1; seed <= MOST_SEEDS; seed++) {
    const { history } = await simulate(generate(seed), mutant);
    const [first] = history.violations;
    if (first) return `seed ${seed}, ${first.rule}: ${first.message.split('\n')[0]}`;
  }
  return null;
}

describe('a broken rule is noticed', () => {
  it.each(Object.entries(MUTANTS))(
    `${'%s'}: ${'%s'}`,
    async (mutant) => {
      const found = await noticed(mutant as Mutant);
      process.stderr.write(`simulation: ${mutant} is noticed by ${found}\n`);
      expect(found).not.toBeNull();
    },
    300_000,
  );
});
