import { type ApprovalState } from '../../src/engine/approvals.js';
import { type StoredApproval } from '../../src/engine/testing/memory-approvals.js';
import { isTerminal } from '../../src/engine/run/events.js';
import { type EventRow, type Stored } from './tables.js';

type Violate = (rule: string, message: string) => void;

const SETTLES = new Set(['step_completed', 'step_failed', 'step_timed_out', 'step_skipped']);
const waveOf = ({ content }: EventRow): number => content.wave ?? 1;
const isOf = (event: EventRow, { step, wave }: { step: string; wave: number }): boolean => event.step === step && waveOf(event) === wave;
const nameOf = ({ step, wave }: { step: string; wave: number }): string => `${step}#${wave}`;

/** At every commit of a unit: no wait without its row, and no open row without its wait. */
export function approvalsNow({ row, events, approvals }: Stored, violate: Violate): void {
  const waits = events.filter(({ event_type: type, content }) => type === 'step_waiting' && content.waitsFor?.approval !== undefined);
  const isOver = isTerminal(row.status);
  for (const wait of waits) {
    const firing = { step: wait.step!, wave: waveOf(wait) };
    const own = approvals.all.find((each) => each.step === firing.step && each.wave === firing.wave);
    const isSettled = isOver || events.some((event) => SETTLES.has(event.event_type) && isOf(event, firing));
    if (!own && !isSettled) violate('approval', `${nameOf(firing)} waits for an approval that is not there`);
    if (own?.state === 'open' && isSettled) violate('approval', `the approval of ${nameOf(firing)} is open, and its wait is over`);
    if (own && own.id !== wait.content.waitsFor?.approval?.id) violate('approval', `the approval of ${nameOf(firing)} is another one`);
  }
  if (approvals.all.some(({ step, wave }) => !waits.some((wait) => isOf(wait, { step, wave }))))
    violate('approval', 'there is an approval that no step waits for');
}

/** At the end: every decision that was taken is in the history once, and the step ended as its approval did. */
export function approvalsAtEnd(stored: Stored, isPoison: boolean, violate: Violate): void {
  const { row, events, approvals } = stored;
  for (const approval of approvals.all) {
    const about = events.filter((event) => isOf(event, approval));
    const told = about.filter(({ event_type: type }) => type === 'approval_decided').map(({ content }) => content.by);
    const taken = approval.decisions.map(({ by }) => by);
    if (!isPoison && JSON.stringify(told) !== JSON.stringify(taken))
      violate('approval', `${taken.join(', ')} decided ${nameOf(approval)}, and its history says ${told.join(', ') || 'nobody'}`);
    const end = about.find(({ event_type: type }) => SETTLES.has(type));
    const ended = end ? endOf(end) : 'unsettled';
    if (!ENDS[approval.state].includes(ended) && !(isPoison && ended === 'unsettled'))
      violate('approval', `${nameOf(approval)} is ${approval.state}, and its step ended as ${ended} (${row.status})`);
  }
}

/** How the step may have ended, by what became of its approval. Whatever else, it may have been skipped by a cancel or a failure elsewhere. */
const ENDS: Readonly<Record<ApprovalState, readonly string[]>> = {
  open: [],
  approved: ['approved', 'skipped'],
  rejected: ['rejected', 'skipped'],
  expired: ['expired', 'skipped'],
  cancelled: ['skipped'],
};

function endOf({ event_type: type, content }: EventRow): string {
  const code = (content.error as { readonly code?: string } | undefined)?.code;
  if (type === 'step_skipped') return 'skipped';
  if (code !== undefined) return code.replace('approval_', '');
  return (content.value as { readonly decision?: string } | null)?.decision ?? 'nothing';
}

/** The approval that a client finds in a list. */
export const openApproval = ({ approvals }: Stored, step: string): StoredApproval | undefined =>
  approvals.all.find((each) => each.step === step && each.state === 'open');
