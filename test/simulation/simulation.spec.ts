import { generate } from './generator.js';
import { describeFailure } from './report.js';
import { simulate } from './world.js';

const SEEDS = 2_000;
const SEEDS_PER_TEST = 250;
/** Fixed, so that every run of the tests is the same one; SEED=n begins elsewhere. */
const FIRST = Number(process.env['SEED'] ?? 1);

describe('simulated nodes keep every promise', () => {
  beforeAll(() => {
    if (!Number.isSafeInteger(FIRST)) throw new Error('SEED must be a whole number');
    process.stderr.write(
      `simulation: seeds ${FIRST}..${FIRST + SEEDS - 1} (SEED=n begins elsewhere; npm run simulate shrinks what fails)\n`,
    );
  });

  const starts = Array.from({ length: SEEDS / SEEDS_PER_TEST }, (_, at) => FIRST + at * SEEDS_PER_TEST);
  it.each(starts)(
    `from seed %d on, ${SEEDS_PER_TEST} seeds`,
    async (from) => {
      for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
        const result = await simulate(generate(seed));
        if (result.history.violations.length > 0) throw new Error(describeFailure(seed, result));
      }
    },
    300_000,
  );

  it('whatever the real machine does: a seed is the same history every time', async () => {
    for (const seed of [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]) {
      const [once, again] = [await simulate(generate(seed)), await simulate(generate(seed))];
      expect(again.history.entries).toEqual(once.history.entries);
      expect(once.history.entries.length).toBeGreaterThan(10);
    }
  });
});
