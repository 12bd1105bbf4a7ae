import { EngineError } from '../engine/engine-error.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { newRun } from '../engine/testing/scripted-run.js';
import { type RunConsumer } from '../storage/claiming/handover.js';
import { Worker } from './worker.service.js';

/** A worker whose neighbours do what a test tells them to; only the queue and the reading of entries have a part in it. */
function stage() {
  const reading = Promise.withResolvers<CompiledPlaybook>();
  const givenBack: string[] = [];
  const alarms: unknown[] = [];
  const nothing = (): void => undefined;
  let consumer: RunConsumer | undefined;
  const queue = {
    consume: (given: RunConsumer) => {
      consumer = given;
      return () => Promise.resolve();
    },
    giveBack: ({ run }: { run: { id: string } }) => void givenBack.push(run.id),
  };
  const worker = new Worker(
    { role: 'all', maxInFlightRuns: 10 } as never,
    { error: (...alarm: unknown[]) => void alarms.push(alarm), warn: nothing, info: nothing } as never,
    queue as never,
    {} as never,
    { onAbandoned: nothing, onInbox: nothing, onBorn: nothing } as never,
    { onDropped: nothing } as never,
    { compiledSync: () => undefined, compiled: () => reading.promise } as never,
    {} as never,
    { onInbox: nothing, onSettled: nothing } as never,
    {} as never,
  );
  worker.start();
  return {
    worker,
    reading,
    givenBack,
    alarms,
    take: () => consumer!.take({ run: newRun('7', {}), token: 't', claimNo: 1, history: null }),
  };
}

it.each([new EngineError('unavailable', 'database_unavailable', 'away'), new Error('timeout exceeded when trying to connect')])(
  'a drain waits for runs whose entries are still being read: their leases are to be given back, and a database that is away is no alarm (%s)',
  async (away) => {
    const { worker, reading, givenBack, alarms, take } = stage();
    take();
    const drained = worker.drain().then(() => [...givenBack]);
    await new Promise((resolve) => setImmediate(resolve));
    reading.reject(away);
    expect(await drained).toEqual(['7']);
    expect(alarms).toEqual([]);
  },
);
