import { aStep, anAction, to } from './testing/playbook-builder.js';
import { CALL } from './testing/program-actions.js';
import { ProgramStage } from './testing/program-stage.js';

describe('the birth of what undoes', () => {
  it('is under way while its caller is cancelled with force: it is told to end once it is there', async () => {
    const stage = new ProgramStage([
      aStep('start', { action: anAction(), compensate: { action: CALL, covers: 'completed' }, next: to('later') }),
      aStep('later', { action: anAction() }),
    ]);
    await stage.hold('one');
    await stage.settle(0, 'done');
    const { promise, resolve: storeBirth } = Promise.withResolvers<void>();
    stage.birthStored = promise;
    await stage.tell('cancel');
    expect(stage.prepared).toHaveLength(1);
    await stage.tell('cancel', { force: true });
    expect(stage.storedCall(0)).toBeNull();
    storeBirth();
    await stage.rest();
    expect(stage.storedCall(0)?.row.status).toBe('pending');
    expect(stage.cancelled).toEqual([stage.prepared[0]!.id]);
    expect([stage.stored.row.status, stage.ends, stage.faults]).toEqual(['cancelled', ['ended'], []]);
  });
});
