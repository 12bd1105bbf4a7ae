import { number, read } from '../chaos/options.mjs';

const SOAK = {
  hours: { initial: '1', check: number(0.01, 168), hint: 'how long load is applied, 0.01 to 168; less than 0.5 does not count' },
  rate: { initial: '300', check: number(1, 5_000), hint: 'executions started a second, 1 to 5000' },
  seed: {
    initial: null,
    check: (text) => /^[\w-]{1,40}$/.test(text),
    hint: 'any word; the same one makes the same sequence of operations',
  },
};

export function soakOptions(argv) {
  const { hours, rate, seed } = read('soak', SOAK, argv);
  return { hours: Number(hours), rate: Number(rate), seed };
}
