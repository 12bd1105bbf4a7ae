import { ageMs, parseRetention } from './retention-rules.js';

const DAY_MS = 86_400_000;

describe(parseRetention.name, () => {
  const problems: string[] = [];
  const read = (text: string) => parseRetention(text, (message) => problems.push(message));
  beforeEach(() => problems.splice(0));

  it('reads ages by status and path', () => {
    expect(read(' completed=30d, failed=PT12H ,billing/*:completed=7d, audit/close_month:failed=forever,')).toEqual([
      { path: null, status: 'completed', keptMs: 30 * DAY_MS },
      { path: null, status: 'failed', keptMs: DAY_MS / 2 },
      { path: 'billing/*', status: 'completed', keptMs: 7 * DAY_MS },
      { path: 'audit/close_month', status: 'failed', keptMs: null },
    ]);
    expect(problems).toEqual([]);
  });

  it('is empty where nothing is set', () => expect(read(' , ')).toEqual([]));

  it.each([
    'completed',
    'completed=',
    '30d',
    'running=30d',
    'completed=30',
    'completed=90.5',
    'completed=0d',
    'completed=5s',
    'completed=40000d',
    'completed=never',
    '*:completed=7d',
    'a/*/b:completed=7d',
    '/a:completed=7d',
    'a b:completed=7d',
    ':completed=7d',
    'completed=7d;failed=8d',
  ])('refuses %s', (entry) => {
    expect(read(entry)).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(`"${entry}" `)]);
  });

  it('names every bad rule, and a second one of a kind', () => {
    expect(read('completed=1d, nonsense, completed=2d, gone=1d, a:completed=3d')).toHaveLength(2);
    expect(problems).toHaveLength(3);
  });
});

describe(ageMs.name, () => {
  it.each([
    ['30d', 30 * DAY_MS],
    ['0.5h', DAY_MS / 48],
    ['PT24H', DAY_MS],
    ['0s', 0],
  ])('%s is so many milliseconds', (text, ms) => expect(ageMs(text)).toBe(ms));

  it.each(['30', ' 30 ', '90.5', '', '-5d', '40000d', 'P1Y', 'never'])('"%s" is none', (text) => expect(ageMs(text)).toBeUndefined());
});
