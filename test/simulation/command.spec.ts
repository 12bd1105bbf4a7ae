import { command } from './command.js';

describe(command.name, () => {
  const said: string[] = [];
  const run = (...argv: string[]): Promise<number> => {
    said.length = 0;
    return command(argv, (line) => said.push(line));
  };

  it.each([
    ['--seeds'],
    ['--seeds', '0'],
    ['--seeds', 'many'],
    ['--seed', '-1'],
    ['--mutant', 'nothing'],
    ['--mutant', 'toString'],
    ['--speed', '3'],
    ['7'],
  ])('refuses %s %s, says so and how it is called', async (...argv) => {
    expect(await run(...argv)).toBe(2);
    expect(said.join('\n')).toMatch(new RegExp(`^simulate: ${argv[0]}.*\nnpm run simulate -- `));
  });

  it('says how many seeds hold, and how fast', async () => {
    expect(await run('--seeds', '3', '--seed', '5')).toBe(0);
    expect(said[0]).toBe('simulating seeds 5..7');
    expect(said.at(-1)).toMatch(/^seeds 5\.\.7 hold: \d+ seeds\/s/);
  });

  it('stops at what fails, and prints it shrunk, for the regressions', async () => {
    expect(await run('--seeds', '50', '--seed', '1', '--mutant', 'effect_before_commit')).toBe(1);
    const text = said.join('\n');
    expect(text).toMatch(/^seed \d+ breaks D20 of execution \d+ at /m);
    const { scenario } = JSON.parse(/scenario: (\{.*\}),$/m.exec(text)?.[0]?.replace(/^(scenario): (.*),$/, '{"$1": $2}') ?? '{}') as {
      scenario: { operations: unknown[]; faults: unknown[] };
    };
    expect(scenario.operations).toHaveLength(1);
    expect(scenario.faults).toEqual([]);
  });
});
