import { type ChildCall, type ChildOutcome, type ChildRuns } from '../../src/engine/child-runs-port.js';
import { EngineError } from '../../src/engine/engine-error.js';
import { type CompiledPlaybook } from '../../src/engine/playbook/compiled.js';
import { type NewRun } from '../../src/engine/ports.js';
import { StepFailure } from '../../src/engine/step-executor.js';
import { newRun } from '../../src/engine/testing/scripted-run.js';
import { FIND_LIVE_CALLED, FIND_OUTCOME } from './server.js';
import { type SimulatedNode } from './simulated-node.js';
import { type World } from './world.js';

/** The path under which a program is called. */
export const pathOfProgram = (program: number): string => `programs/${program}`;

/** What runs of a node may do about those they call: what src/execution/child-runs.service.ts does, without a catalog. */
export class SimulatedChildRuns implements ChildRuns {
  constructor(
    private readonly world: World,
    private readonly node: SimulatedNode,
  ) {}

  async prepare({ id, parent, step, wave, item, path, parameters }: ChildCall): Promise<NewRun> {
    const catalogId = path.slice(path.indexOf('/') + 1);
    try {
      await this.world.playbooksOf(this.node).compiled('', catalogId);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new StepFailure(error.code, error.message, { retryable: true });
    }
    const lineage = [...(parent.parent?.lineage ?? []), parent.catalogId];
    return newRun(id, {
      catalogId,
      path,
      parameters,
      parentExecutionId: parent.id,
      parentStep: step,
      parent: { runId: parent.id, step, wave, item, depth: lineage.length, lineage },
    });
  }

  playbookOf({ catalogId }: NewRun): CompiledPlaybook | null {
    return this.world.playbooksOf(this.node).compiledSync('', catalogId) ?? null;
  }

  below(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  async outcome(_tenantId: string, childId: string): Promise<ChildOutcome | null> {
    const [row] = await this.node.db.query<Omit<ChildOutcome, 'returned'>[]>(FIND_OUTCOME, [childId]);
    return row ? { ...row, returned: null } : null;
  }

  async cancel(tenantId: string, childIds: readonly string[], reason: string | null): Promise<void> {
    await Promise.all(childIds.map((id) => this.node.inbox.deliver(tenantId, id, 'cancel', { reason, force: false, by: 'parent' })));
  }

  async cancelAll(tenantId: string, parentId: string, reason: string | null): Promise<void> {
    const rows = await this.node.db.query<{ id: string }[]>(FIND_LIVE_CALLED, [parentId]);
    await this.cancel(
      tenantId,
      rows.map(({ id }) => id),
      reason,
    );
  }
}
