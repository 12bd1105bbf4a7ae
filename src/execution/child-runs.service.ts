import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { normalisePath } from '../catalog/catalog-path.js';
import { CatalogService, type ResolvedEntry, resolvedEntry } from '../catalog/catalog.service.js';
import { RegistrationService } from '../catalog/registration.service.js';
import { canonicalJson } from '../engine/canonical-json.js';
import { problemOf } from '../common/problem.js';
import { type ChildCall, type ChildEntry, type ChildOutcome, type ChildRuns } from '../engine/child-runs-port.js';
import { MAX_CALL_DEPTH } from '../engine/playbook/calls.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type NewRun, type RunId } from '../engine/ports.js';
import { storabilityFault } from '../engine/storability.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { EphemeralRuns } from '../storage/ephemeral-runs.js';
import { Inbox } from '../storage/inbox.js';
import { ExecutionEventRepository } from '../storage/repositories/execution-event.repository.js';
import { ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { PlaybookListingRepository } from '../storage/repositories/playbook-listing.repository.js';
import { refuseUnlessMemoryIsEnough } from './ephemeral-rules.js';
import { checkParameters, checkType } from './entry-rules.js';
import { NewRuns } from './new-runs.js';

/** Playbooks that one step may run. */
const MOST_ENTRIES = 1_000;
/** Messages under way at once: a run with many called ones must not take all connections. */
const CANCELS_AT_ONCE = 8;

/** The door for runs that are called by runs: resolved, pinned and made like started ones, but stored with a unit of their caller. */
@Injectable()
export class ChildRunsService implements ChildRuns {
  /** Of callers that are running here; a run with many items makes many calls. */
  private readonly digests = new WeakMap<NewRun, string>();

  constructor(
    private readonly catalog: CatalogService,
    private readonly registration: RegistrationService,
    private readonly playbooks: CompiledPlaybooks,
    private readonly newRuns: NewRuns,
    private readonly executions: ExecutionRepository,
    private readonly history: ExecutionEventRepository,
    private readonly listing: PlaybookListingRepository,
    private readonly inbox: Inbox,
    private readonly ephemeral: EphemeralRuns,
  ) {}

  async prepare(call: ChildCall): Promise<NewRun> {
    const { id, parent, step, wave, item, parameters } = call;
    const { tenantId } = parent;
    const lineage = [...(parent.parent?.lineage ?? []), this.digestOf(parent)];
    const depth = lineage.length;
    if (depth > MAX_CALL_DEPTH) {
      throw new StepFailure('nesting_limit', `Playbooks may call each other ${MAX_CALL_DEPTH} deep.`, { retryable: false });
    }
    const fault = storabilityFault(parameters);
    if (fault) throw new StepFailure(fault.code, `The inputs of the playbook: ${fault.message}`, { retryable: false });
    return await asStepFailure(async () => {
      const resolved = await this.resolved(call);
      const { entry } = resolved;
      const playbook = this.playbooks.compiledSync(tenantId, entry.id) ?? (await this.playbooks.compiled(tenantId, entry.id));
      checkType(call.callable, entry);
      checkParameters(parameters, entry, playbook);
      const run = this.newRuns.make(resolved, playbook, {
        id,
        tenantId,
        parameters,
        merge: true,
        metadata: {},
        parentExecutionId: parent.id,
        parentEventId: call.eventId,
        parentStep: step,
        parent: { runId: parent.id, step, wave, item, depth, lineage },
        forkedFrom: null,
        kept: [],
        ...(parent.requesters ? { requesters: parent.requesters } : {}),
        priority: parent.priority,
        startAt: null,
        expiresAt: null,
        timeoutAt: null,
        idempotency: null,
      });
      if (mayRepeat(run, parent) && lineage.includes(this.digestOf(run))) {
        const message = `${run.path} ${run.version} would call itself with the same inputs, for ever.`;
        throw new StepFailure('playbook_cycle', message, { retryable: false });
      }
      if (this.ephemeral.find(tenantId, parent.id)) refuseUnlessMemoryIsEnough(run, playbook);
      return run;
    });
  }

  playbookOf({ tenantId, catalogId }: NewRun): CompiledPlaybook | null {
    return this.playbooks.compiledSync(tenantId, catalogId) ?? null;
  }

  private async resolved({ parent, path, version, content }: ChildCall): Promise<ResolvedEntry> {
    if (content === null) return await this.catalog.resolve(parent.tenantId, { style: 'path', path, version });
    const entry = await this.registration.registerInline(parent.tenantId, parent.path, content, `execution:${parent.id}`);
    return resolvedEntry(entry, entry.version, 'latest');
  }

  async below(parent: NewRun, prefix: string): Promise<readonly ChildEntry[]> {
    return await asStepFailure(async () => {
      const path = normalisePath(prefix.replace(/\/+$/, ''));
      const entries = await this.listing.below(parent.tenantId, path, MOST_ENTRIES + 2);
      const others = entries.filter((entry) => entry.path !== parent.path);
      if (others.length <= MOST_ENTRIES) return others;
      throw new StepFailure('too_many_playbooks', `There are more than ${MOST_ENTRIES} playbooks below ${path}.`, { retryable: false });
    });
  }

  async outcome(tenantId: string, childId: RunId, returnStep: string | null): Promise<ChildOutcome | null> {
    const inMemory = this.ephemeral.find(tenantId, childId);
    if (inMemory) {
      const { record, result, values } = inMemory;
      const returned = returnStep === null || !values.has(returnStep) ? null : { value: values.get(returnStep)! };
      return { status: record.status, result, error: record.error, returned };
    }
    const record = await this.executions.byId(tenantId, childId);
    if (!record) return null;
    const result = await this.executions.resultText(tenantId, childId);
    const returned = returnStep === null ? null : await this.history.lastValueOf(tenantId, childId, returnStep);
    return { status: record.status, result: result === null ? null : (JSON.parse(result) as Json), error: record.error, returned };
  }

  async cancel(tenantId: string, childIds: readonly RunId[], reason: string | null): Promise<void> {
    const payload: JsonObject = { reason, cascade: true, force: false, by: 'parent' };
    for (let at = 0; at < childIds.length; at += CANCELS_AT_ONCE) {
      const some = childIds.slice(at, at + CANCELS_AT_ONCE).filter((id) => !this.ephemeral.cancel(tenantId, id, payload));
      await Promise.all(some.map((id) => this.inbox.deliver(tenantId, id, 'cancel', payload)));
    }
  }

  async cancelAll(tenantId: string, parentId: RunId, reason: string | null): Promise<void> {
    await this.cancel(tenantId, await this.executions.liveCalledBy(tenantId, parentId), reason);
  }

  /** What is called with what: a run that calls the same again would never end. */
  private digestOf(run: NewRun): string {
    const known = this.digests.get(run);
    if (known !== undefined) return known;
    const digest = createHash('sha256')
      .update(canonicalJson([run.path, run.version, run.parameters]))
      .digest('hex');
    this.digests.set(run, digest);
    return digest;
  }
}

/** Most calls are of depth one and of another playbook: then nothing has to be hashed to see that it is no repetition. */
function mayRepeat(run: NewRun, parent: NewRun): boolean {
  return parent.parent !== null || (run.path === parent.path && run.version === parent.version);
}

/** What a start would be answered as a problem is here the failure of a step; only faults of the service stay what they are. */
async function asStepFailure<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StepFailure) throw error;
    const { code, detail, status, unexpected } = problemOf(error);
    if (unexpected) throw error;
    throw new StepFailure(code, detail, { retryable: status === 429 || status === 503 });
  }
}
