import { type NewRun } from '../ports.js';
import { describeApprovals } from './approvals-conformance.js';
import { describeCalledRuns } from './called-runs-conformance.js';
import { describeInbox } from './inbox-conformance.js';
import { type RunStoreHarness } from './run-store-harness.js';
import { newRun, ScriptedRun } from './scripted-run.js';
import { describeUnits } from './units-conformance.js';

/** What every RunStore promises its runs (durability protocol: fences, inbox, outcomes). */
export function describeRunStore(name: string, factory: () => Promise<RunStoreHarness>): void {
  describe(name, () => {
    let harness: RunStoreHarness;
    let lastId = BigInt(Date.now());
    const harnessOf = (): RunStoreHarness => harness;
    const nextId = (): string => String(++lastId);
    const born = (changes: Partial<NewRun> = {}): ScriptedRun =>
      new ScriptedRun(harness.store, newRun(nextId(), changes), crypto.randomUUID());

    beforeAll(async () => {
      harness = await factory();
    });
    afterAll(async () => harness.close());

    describeUnits(harnessOf, born, nextId);
    describeInbox(harnessOf, born);
    describeApprovals(harnessOf, born, nextId);
    describeCalledRuns(harnessOf, born, nextId);
  });
}
