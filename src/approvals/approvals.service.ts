import { Injectable } from '@nestjs/common';
import { isAnonymous, type Principal } from '../common/principal.js';
import { type ApprovalWord } from '../engine/approvals.js';
import { EngineError } from '../engine/engine-error.js';
import { compileJsonSchema } from '../engine/playbook/json-schema.js';
import { type Json } from '../engine/values.js';
import { ApprovalDecisions, type DecisionVerdict } from '../storage/approval-decisions.js';
import { type ApprovalFilter, type ApprovalRecord } from '../storage/approval-record.js';
import { type Page } from '../storage/page-budget.js';
import { ApprovalRepository } from '../storage/repositories/approval.repository.js';

/** What a principal decides. */
export interface Decision {
  readonly decision: ApprovalWord;
  readonly comment: string | null;
  /** What was filled in; null where nothing was. */
  readonly data: Json;
}

/** What executions wait for that people have to decide. */
@Injectable()
export class ApprovalsService {
  constructor(
    private readonly approvals: ApprovalRepository,
    private readonly decisions: ApprovalDecisions,
  ) {}

  /** @param mine only those that the principal can decide now */
  async list(
    principal: Principal,
    filter: Omit<ApprovalFilter, 'decidableBy'> & { readonly mine: boolean },
    page: { readonly before: string | null; readonly limit: number },
  ): Promise<Page<ApprovalRecord>> {
    const { mine, ...wanted } = filter;
    // Where nobody is authenticated, everybody can decide whatever is open.
    const everything = isAnonymous(principal);
    if (mine && everything && wanted.state !== null && wanted.state !== 'open') return { items: [], more: false };
    const state = mine && everything ? 'open' : wanted.state;
    const decidableBy = mine && !everything ? { subject: principal.subject, scopes: [...principal.scopes] } : null;
    return this.approvals.list(principal.tenant, { ...wanted, state, decidableBy }, page);
  }

  /** @throws EngineError `unknown_approval`, also of another tenant's */
  async get({ tenant }: Principal, id: string): Promise<ApprovalRecord> {
    const record = await this.approvals.byId(tenant, id);
    if (!record) throw new EngineError('not_found', 'unknown_approval', `There is no approval ${id}.`);
    return record;
  }

  /**
   * Takes a decision: it is durable with the message that its execution hears of it by. @returns the approval as it is then
   * @throws EngineError `unknown_approval`, `approval_not_allowed`, `approval_already_decided`, `approval_expired`, `schema_violation`
   */
  async decide(principal: Principal, id: string, { decision, comment, data }: Decision): Promise<ApprovalRecord> {
    const record = await this.get(principal, id);
    const mayRepeat = isAnonymous(principal);
    if (!mayRepeat) refuseUnlessApprover(principal, record);
    refuse(verdictOf(record, principal, mayRepeat), record);
    if (decision === 'approve') refuseMisfits(record, data);
    const verdict = await this.decisions.decide({
      tenantId: principal.tenant,
      approvalId: id,
      executionId: record.executionId,
      by: principal.subject,
      decision,
      comment,
      data,
      mayRepeat,
    });
    const now = await this.get(principal, id);
    // What was so a moment ago need not be so under the lock.
    refuse(verdict ?? 'closed', now);
    return now;
  }
}

/** What a decision would come to as the row was read. */
function verdictOf({ state, decisions }: ApprovalRecord, { subject }: Principal, mayRepeat: boolean): DecisionVerdict {
  if (!mayRepeat && decisions.some(({ by }) => by === subject)) return 'repeated';
  return state === 'open' ? 'taken' : state === 'expired' ? 'expired' : 'closed';
}

function refuse(verdict: DecisionVerdict, { id, state }: ApprovalRecord): void {
  switch (verdict) {
    case 'taken':
      return;
    case 'repeated':
      throw new EngineError('conflict', 'approval_already_decided', `You have decided approval ${id} before.`);
    case 'expired':
      throw new EngineError('conflict', 'approval_expired', `Approval ${id} was not decided in time.`);
    case 'closed':
      throw new EngineError('conflict', 'approval_already_decided', `Approval ${id} is ${state}.`);
  }
}

function refuseUnlessApprover({ subject, scopes }: Principal, { id, approvers, requestedBy }: ApprovalRecord): void {
  if (requestedBy.includes(subject)) {
    const message = `Approval ${id} was asked for by an execution that you started, or that was made from one; somebody else has to decide it.`;
    throw new EngineError('forbidden', 'approval_not_allowed', message);
  }
  const held: ReadonlySet<string> = scopes;
  if (approvers.subjects.includes(subject) || approvers.scopes.some((scope) => held.has(scope))) return;
  throw new EngineError('forbidden', 'approval_not_allowed', `You are none of the approvers of ${id}.`);
}

function refuseMisfits({ form }: ApprovalRecord, data: Json): void {
  if (form === null) return;
  const issues = compileJsonSchema(form).issuesOf(data ?? {});
  if (issues.length === 0) return;
  const found = issues.map((issue) => ({ ...issue, pointer: `/data${issue.pointer ?? ''}` }));
  throw new EngineError('invalid', 'schema_violation', 'The data does not fit the form of the approval.', found);
}
