import { setImmediate as turn } from 'node:timers/promises';
import { type StatusService } from '../status/status.service.js';
import { CallFollower } from './call-follower.js';
import { type McpRequest } from './mcp-caller.js';

describe(CallFollower.name, () => {
  const logged = (seq: number) => ({ event_type: 'step_log', seq, node_name: 'say', wave: 1, meta: { level: 'info', message: `${seq}` } });
  const status = {
    record: () => Promise.resolve({ id: '1', progress: 50 }),
    detail: () => Promise.resolve({ status: 'completed' }),
    async *follow() {
      yield await Promise.resolve([logged(1), logged(2)]);
      yield [logged(3)];
    },
  };
  const talk = { progress: false, relays: false, log: true, input: false, isPure: true };

  it('tells a client no more before it has taken what it was told', async () => {
    const told: string[] = [];
    const takes: (() => void)[] = [];
    const request = {
      caller: { principal: {}, list: { kind: 'pinned' }, taken: () => new Promise<void>((resolve) => takes.push(resolve)) },
      context: { mcpReq: { signal: new AbortController().signal, log: (_level: string, message: string) => void told.push(message) } },
      era: 'modern',
    } as unknown as McpRequest;
    const stop = new CallFollower(status as unknown as StatusService).until(request, '1', talk, 0, 60_000);
    for (const heard of [[], ['1'], ['1', '2'], ['1', '2', '3']]) {
      await turn();
      expect(told).toEqual(heard);
      takes.shift()?.();
    }
    expect(await stop).toMatchObject({ kind: 'ended' });
  });
});
