import Sequencer from '@jest/test-sequencer';

/** Files that take 15 seconds and more, longest first; `npm test` shows at its end how long the slowest took. */
const LONGEST = [
  'test/simulation/simulation.spec.ts',
  'test/api/recovery.spec.ts',
  'test/api/iterator-crash.spec.ts',
  'test/api/transfer.spec.ts',
  'test/api/python-limits.spec.ts',
  'test/simulation/mutants.spec.ts',
];

/**
 * Where nobody has measured yet - a clean checkout -, jest goes by the size of files, and a long one that begins last keeps one of two cores idle.
 * The longest ones begin first, the others in jest's own order.
 */
export default class LongestFirst extends Sequencer {
  async sort(tests) {
    const rank = ({ path }) => LONGEST.findIndex((name) => path.endsWith(name)) + 1 || LONGEST.length + 1;
    return (await super.sort(tests)).toSorted((a, b) => rank(a) - rank(b));
  }
}
