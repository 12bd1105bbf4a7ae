import { type ApprovalAsked, type ApprovalDecision, type ApprovalTaken, type Approvers } from '../approvals.js';
import { type CompiledApproval, quorumOf } from '../playbook/approval-step.js';
import { type CompiledStep } from '../playbook/compiled.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { isObject, type Json } from '../values.js';
import { type Deciding } from './decision.js';
import { durationMs } from './durations.js';
import { type RunScope } from './run-scope.js';
import { failAction, settleAction } from './settle.js';
import { settlingOf } from './settling-wait.js';

const LONGEST_TITLE = 512;
/** Characters of JSON that one approval may have: it is a row of its own, and is shown in lists. */
const LONGEST_APPROVAL = 64 * 1024;
const MOST_SUBJECTS = 1_000;

/** What a step asks now, and whom. @throws StepFailure where nobody could ever answer it, or it is too long */
export function approvalAsked(
  deciding: Deciding,
  wait: CompiledApproval,
  step: CompiledStep,
  scope: RunScope,
  rendering: Rendering,
): ApprovalAsked {
  const title = textOf(wait.title.render(scope, rendering)).trim();
  if (title === '' || title.length > LONGEST_TITLE) throw refusal(`The title of ${step.name} must have 1 to ${LONGEST_TITLE} characters.`);
  const message = wait.message?.render(scope, rendering) ?? null;
  const quorum = quorumOf(wait.quorum.render(scope, rendering));
  if (quorum === null) throw refusal(`The quorum of ${step.name} is no number of approvals.`);
  const approvers = { scopes: wait.scopes, subjects: subjectsOf(wait.subjects.render(scope, rendering), step) };
  refuseTooFew(approvers, quorum, deciding.state.requesters, step);
  const asked: ApprovalAsked = {
    id: deciding.world.nextId(),
    title,
    message: message === null ? null : textOf(message),
    data: wait.data?.render(scope, rendering) ?? null,
    approvers,
    quorum,
  };
  deciding.checkStorable(asked);
  if (JSON.stringify([asked, wait.form]).length > LONGEST_APPROVAL) {
    const message = `What ${step.name} shows to approvers is above ${LONGEST_APPROVAL / 1024} KiB.`;
    throw new StepFailure('result_too_large', message, { retryable: false });
  }
  return asked;
}

/** How long it can be decided, in whole milliseconds; null: for good. @throws StepFailure */
export function expiryOf(wait: CompiledApproval, step: CompiledStep, scope: RunScope, rendering: Rendering): number | null {
  if (!wait.expiresIn) return null;
  const ms = durationMs(wait.expiresIn.render(scope, rendering));
  if (ms === undefined || ms <= 0) throw refusal(`expires_in of ${step.name} is no duration above zero.`);
  return Math.ceil(ms);
}

/** Every decision that was taken is recorded, also one that came too late to change anything. */
export function hearDecision(deciding: Deciding, { approval_id: approvalId, step, wave, decision, outcome }: ApprovalTaken): void {
  const stepType = deciding.playbook.byName.get(step)?.type;
  if (stepType === undefined) return;
  deciding.count(decision);
  deciding.emit({ type: 'approval_decided', step, stepType, wave, attempt: 1, approvalId, ...decision, outcome });
}

/** Ends the waits whose approvals are decided, the longest waiting first. */
export function settleApprovals(deciding: Deciding): void {
  const { state, playbook } = deciding;
  if (!playbook.hasApprovals) return;
  for (const firing of [...state.running.values()]) {
    const { approval } = firing;
    if (!approval?.outcome || state.failure) continue;
    if (deciding.isOutOfTime) return;
    const settling = settlingOf(deciding, playbook.steps[firing.step]!, firing);
    const decisions = approval.decisions.map((each) => ({ ...each }));
    if (approval.outcome === 'approved') {
      settleAction(deciding, settling, { decision: 'approved', data: dataOf(decisions), decisions });
    } else {
      const { by, comment } = decisions.at(-1)!;
      const message = `${by} rejected it${comment === null ? '.' : `: ${comment}`}`;
      failAction(
        deciding,
        settling,
        new StepFailure('approval_rejected', message, { retryable: false, cause: { decision: 'rejected', decisions } }),
      );
    }
  }
}

/** What the last of those who filled anything in has filled in. */
const dataOf = (decisions: readonly ApprovalDecision[]): Json => decisions.findLast(({ data }) => data !== null)?.data ?? null;

/** Waiting for what cannot happen would be waiting for nothing. */
function refuseTooFew({ scopes, subjects }: Approvers, quorum: number, requesters: readonly string[], step: CompiledStep): void {
  if (scopes.length > 0) return;
  const able = subjects.filter((subject) => !requesters.includes(subject));
  if (able.length >= quorum) return;
  const who = able.length === subjects.length ? '' : ' besides those who started the execution';
  throw refusal(`${quorum} have to approve ${step.name}, and it names ${able.length}${who}.`);
}

function subjectsOf(value: Json, step: CompiledStep): string[] {
  const list = Array.isArray(value) ? value : typeof value === 'string' ? [value] : null;
  if (!list?.every((each) => typeof each === 'string' || typeof each === 'number') || list.length > MOST_SUBJECTS)
    throw refusal(`The subjects of ${step.name} are no list of at most ${MOST_SUBJECTS} texts.`);
  return [...new Set(list.map((each) => String(each).trim()).filter((each) => each !== ''))];
}

const textOf = (value: Json): string =>
  typeof value === 'string' ? value : isObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value ?? '');

function refusal(message: string): StepFailure {
  return new StepFailure('invalid_value', message, { retryable: false });
}
