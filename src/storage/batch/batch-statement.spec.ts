import { type Unit } from '../../engine/ports.js';
import { SNAPSHOT_EVERY } from '../../engine/run/snapshot.js';
import { COMPLETED, newRun, stepEvent, unitOf } from '../../engine/testing/scripted-run.js';
import { batchForms, batchParameters, PLAIN_PARAMETERS, SELDOM_PARAMETERS, UNIT_PARAMETERS } from './batch-statement.js';
import { type BatchParameter } from './array-parameters.js';
import { INLINE_VALUE_BYTES } from '../history/event-codec.js';
import { STANDARD_LEASE } from '../lease-term.js';
import { pendingUnit } from './pending-unit.js';

const TOKEN = '7b0f6d2e-7a0c-4b0e-9d55-0b7f3f6a3f10';

describe(batchForms.name, () => {
  const formOf = batchForms(STANDARD_LEASE);
  const parametersOf = (...units: readonly Partial<Unit>[]): BatchParameter[] =>
    batchParameters(
      units.map((changes, index) => {
        const unit = unitOf(newRun(String(index + 1)), { token: TOKEN, expectedSeq: 1, events: [stepEvent('a')], ...changes });
        return pendingUnit({ runId: unit.runId, takeUnit: () => null, unitSettled: () => undefined }, unit, 0);
      }),
    );
  /** The first and the last number of a parameter that its statement names. */
  const numbersOf = (parameters: readonly BatchParameter[]): number[] => {
    const numbers = [...formOf(parameters).text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number));
    return [Math.min(...numbers), Math.max(...numbers)];
  };
  const large = { ...stepEvent('a'), value: 'x'.repeat(INLINE_VALUE_BYTES) } as ReturnType<typeof stepEvent>;
  const keyed = newRun('1', { idempotency: { key: 'k', fingerprint: 'f' } });

  it('gives batches without keys, messages, snapshots and large values a statement without parts for these', () => {
    const end = { end: { result: null }, row: COMPLETED };
    const parameters = parametersOf({ create: newRun('1'), expectedSeq: 0 }, {}, { ...end, expectedSeq: SNAPSHOT_EVERY - 1 });
    expect(parameters).toHaveLength(PLAIN_PARAMETERS);
    expect(numbersOf(parameters)).toEqual([1, PLAIN_PARAMETERS]);
    expect(formOf(parameters).text).not.toMatch(/idempotency_key|execution_inbox|execution_snapshot|execution_blob|FROM denied/);
  });

  it('gives batches of runs that have rows already one that makes none', () => {
    const parameters = parametersOf({}, { end: { result: null }, row: COMPLETED });
    expect(parameters).toHaveLength(UNIT_PARAMETERS);
    expect(numbersOf(parameters)).toEqual([1, UNIT_PARAMETERS]);
    expect(formOf(parameters).text).not.toContain('INTO execution (');
  });

  it.each<[string, Partial<Unit>]>([
    ['a key', { create: keyed, expectedSeq: 0 }],
    ['a unit that was told something', { seenInbox: 1 }],
    ['a snapshot', { snapshot: '{}' }],
    ['the end of a run that may have a snapshot', { end: { result: null }, row: COMPLETED, expectedSeq: SNAPSHOT_EVERY }],
    ['a large value', { events: [large] }],
  ])('gives a batch with %s all of them', (_, unit) => {
    const parameters = parametersOf({}, unit);
    expect(parameters).toHaveLength(SELDOM_PARAMETERS);
    expect(numbersOf(parameters)).toEqual([1, SELDOM_PARAMETERS]);
    expect(formOf(parameters).text).toMatch(/idempotency_key[^]*execution_inbox[^]*execution_snapshot[^]*execution_blob/);
  });
});
