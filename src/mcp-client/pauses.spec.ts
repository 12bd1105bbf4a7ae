import { StepFailure } from '../engine/step-executor.js';
import { MCP_LIMITS } from './limits.js';
import { Pauses } from './pauses.js';

describe(Pauses.name, () => {
  const signal = AbortSignal.abort(new Error('not waited for'));

  it('lets through what never failed, what is over, and what worked since', async () => {
    let now = 0;
    const pauses = new Pauses(() => now);
    await pauses.over('a', 'a', signal);
    pauses.failed('a');
    await expect(pauses.over('a', 'a', signal)).rejects.toThrow('not waited for');
    now += MCP_LIMITS.firstPauseMs;
    await pauses.over('a', 'a', signal);
    pauses.failed('a');
    pauses.forget('a');
    await pauses.over('a', 'a', signal);
  });

  it('fails at once from the fifth failure on, for twice as long each time, up to a bound; others are not concerned', async () => {
    let now = 0;
    const pauses = new Pauses(() => now);
    for (let count = 0; count < MCP_LIMITS.failures; count += 1) pauses.failed('a');
    await expect(pauses.over('a', 'far', signal)).rejects.toMatchObject({
      name: StepFailure.name,
      code: 'mcp_server_unavailable',
      retryable: true,
      message: expect.stringContaining('far failed 5 times in a row') as string,
    });
    await pauses.over('b', 'b', signal);
    now += MCP_LIMITS.firstPauseMs * 2 ** (MCP_LIMITS.failures - 1) - 1;
    await expect(pauses.over('a', 'far', signal)).rejects.toThrow(StepFailure);
    now += 1;
    await pauses.over('a', 'far', signal);
    for (let count = 0; count < 40; count += 1) pauses.failed('a');
    now += MCP_LIMITS.longestPauseMs;
    await pauses.over('a', 'far', signal);
  });
});
