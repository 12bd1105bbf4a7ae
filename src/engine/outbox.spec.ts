import { Outbox } from './outbox.js';
import { type UnitOutcome } from './ports.js';
import { aStep, anAction, to } from './testing/playbook-builder.js';
import { CALL } from './testing/program-actions.js';
import { ProgramStage } from './testing/program-stage.js';
import { oneAction, RunStage, turn } from './testing/run-stage.js';

describe(Outbox.name, () => {
  it('pure steps run ahead of the commit, but not without bound', async () => {
    const endless = [aStep('start', { next: to('loop') }), aStep('loop', { action: anAction(), next: to('loop') })];
    const stage = RunStage.of(endless, false);
    stage.orchestrator().start();
    for (let n = 0; n < 300; n++) {
      stage.calls.at(-1)?.settle(n);
      await turn();
    }
    expect(stage.store.read('1')).toBeNull();
    expect(stage.calls.length).toBeGreaterThan(100);
    expect(stage.calls.length).toBeLessThanOrEqual(128);
    const before = stage.calls.length;
    await stage.commit();
    expect(stage.calls.length).toBe(before + 1);
  });

  it('large values bound the run-ahead too', async () => {
    const stage = RunStage.of([aStep('start', { next: to('loop') }), aStep('loop', { action: anAction(), next: to('loop') })], false);
    stage.orchestrator().start();
    for (let n = 0; n < 20; n++) {
      stage.calls.at(-1)?.settle('x'.repeat(200_000));
      await turn();
    }
    expect(stage.calls.length).toBeLessThanOrEqual(6);
  });

  it('goes on after a bounded decision in turns of its own, and stops for the commit', async () => {
    const stage = RunStage.of([aStep('start', { next: to('loop') }), aStep('loop', { next: to('loop') })]);
    stage.orchestrator().start();
    for (let n = 0; n < 50; n++) stage.clock.advance(0);
    await turn();
    expect(stage.batches).toHaveLength(1);
    expect(stage.units).toHaveLength(0);
    await stage.commit();
    const ahead = stage.units[0]!.events.length;
    expect(ahead).toBeGreaterThanOrEqual(256);
    expect(ahead).toBeLessThan(256 + 70);
    for (let n = 0; n < 50; n++) {
      stage.clock.advance(0);
      await stage.commit();
    }
    expect(stage.ends).toEqual(['ended']);
    expect(stage.store.read('1')?.row.error).toMatchObject({ code: 'loop_limit' });
  });

  it('a call that a cancel overtakes is dropped also where its caller is given back, and the next holder undoes what was done', async () => {
    const stage = new ProgramStage([
      aStep('start', { action: anAction(), compensate: { action: anAction(), covers: 'completed' }, next: to('call') }),
      aStep('call', { action: CALL, next: to('end') }),
      aStep('end'),
    ]);
    await stage.hold('one');
    const { promise, resolve } = Promise.withResolvers<UnitOutcome>();
    stage.nextOutcome = promise;
    await stage.settle(0, 'done');
    await stage.tell('cancel');
    await stage.giveBack();
    resolve({ kind: 'inbox_moved' });
    await stage.rest();
    expect([stage.ends, stage.outcomes, stage.storedCall(0)]).toEqual([['released'], new Set(['committed', 'inbox_moved']), null]);
    await stage.hold('two');
    await stage.settle(1, 'undone');
    expect(stage.eventsOf('compensation_completed')).toHaveLength(1);
    expect([stage.stored.row.status, stage.faults]).toEqual(['cancelled', []]);
  });

  it('an end that meets a cancel is decided again as CANCELLED, with every event kept once', async () => {
    const stage = RunStage.of(oneAction());
    stage.orchestrator().start();
    await stage.commit();
    stage.calls[0]!.settle(1);
    await turn();
    stage.store.deliver('default', '1', 'cancel', {});
    await stage.commit();
    await stage.commit();
    expect(stage.stored).toEqual([
      'execution_started',
      'step_started start',
      'step_completed start',
      'step_completed end',
      'cancel_requested',
      'execution_cancelled',
    ]);
    expect(stage.units.at(-1)).toMatchObject({ recordsProgress: true });
    expect(stage.ends).toEqual(['ended']);
  });

  const refused = { kind: 'refused', reason: 'SQLSTATE 22P05' } as const;
  it.each([
    [1, 'result_not_storable', ['step_failed start', 'step_failed end', 'execution_failed']],
    [2, 'poison', ['execution_failed']],
  ])('refused %i times it ends as failed: %s', async (times, code, events) => {
    const stage = RunStage.of(oneAction());
    stage.orchestrator().start();
    await stage.commit();
    stage.script.push(...Array<UnitOutcome>(times).fill(refused));
    stage.calls[0]!.settle('secret');
    for (let n = 0; n < 4; n++) await stage.commit();
    expect(stage.stored.slice(2)).toEqual(events);
    expect(stage.store.read('1')?.row).toMatchObject({ status: 'failed', error: { code } });
    expect(JSON.stringify(stage.store.read('1')?.events)).not.toContain('secret');
    expect(stage.ends).toEqual(['ended']);
  });

  it('refused for ever it lets go; refused at birth it was never there', async () => {
    const stage = RunStage.of(oneAction());
    stage.orchestrator().start();
    await stage.commit();
    stage.script.push(refused, refused, refused);
    stage.calls[0]!.settle(1);
    for (let n = 0; n < 5; n++) await stage.commit();
    expect([stage.ends, stage.faults.length, stage.batches.length]).toEqual([['lost'], 1, 0]);
    const newborn = RunStage.of(oneAction());
    newborn.script.push(refused);
    newborn.orchestrator().start();
    await newborn.commit();
    expect(newborn.ends).toEqual(['refused']);
  });

  it('a refused run whose cancel was acknowledged ends as cancelled, heard before or after', async () => {
    for (const isHeard of [true, false]) {
      const stage = RunStage.of(oneAction());
      const run = stage.orchestrator();
      run.start();
      await stage.commit();
      stage.script.push(refused);
      stage.calls[0]!.settle(1);
      stage.store.deliver('default', '1', 'cancel', { reason: 'enough' });
      if (isHeard) run.readInbox();
      for (let n = 0; n < 5; n++) await stage.commit();
      expect(stage.store.read('1')?.row.status).toBe('cancelled');
      expect(stage.stored.filter((type) => type === 'cancel_requested')).toHaveLength(1);
      expect(stage.ends).toEqual(['ended']);
    }
  });
});
