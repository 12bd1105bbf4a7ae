import { type NewApproval, type UnitApprovals } from '../approvals.js';
import { type CompiledPlaybook, isApproval } from '../playbook/compiled.js';
import { type NewRun } from '../ports.js';
import { type RunEvent } from './events.js';
import { type RunState } from './run-state.js';

type StepOfHistory = Extract<RunEvent, { readonly step: string; readonly wave: number }>;
const SETTLES: ReadonlySet<RunEvent['type']> = new Set(['step_completed', 'step_failed', 'step_timed_out', 'step_skipped']);
const firingOf = ({ step, wave }: StepOfHistory): string => `${step} ${wave}`;

/**
 * The approvals that a unit with these events opens and closes; undefined: none. A wait that begins and ends in it, as in a history that a retry goes
 * on from, never was one that anybody could have decided.
 * @param ends whether the unit ends the run
 */
export function unitApprovals(
  playbook: CompiledPlaybook,
  run: NewRun,
  { requesters }: RunState,
  events: readonly RunEvent[],
  ends: boolean,
): UnitApprovals | undefined {
  if (!playbook.hasApprovals) return undefined;
  const opens = new Map<string, NewApproval>();
  const closes: { step: string; wave: number }[] = [];
  for (const event of events) {
    if (event.type === 'step_waiting' && event.waitsFor.approval) {
      const { step, wave, dueAt, waitsFor } = event;
      const form = formOf(playbook, step);
      opens.set(firingOf(event), {
        ...waitsFor.approval!,
        step,
        wave,
        path: run.path,
        version: run.shownVersion,
        form,
        requesters,
        expiresAt: dueAt,
      });
    } else if (SETTLES.has(event.type)) {
      const settled = event as StepOfHistory;
      if (opens.delete(firingOf(settled)) || event.type !== 'step_skipped') continue;
      const step = playbook.byName.get(settled.step);
      if (step && isApproval(step)) closes.push({ step: settled.step, wave: settled.wave });
    }
  }
  if (ends) return { opens: [], closes: [], closesAll: true };
  return opens.size === 0 && closes.length === 0 ? undefined : { opens: [...opens.values()], closes, closesAll: false };
}

function formOf(playbook: CompiledPlaybook, step: string): NewApproval['form'] {
  const performer = playbook.byName.get(step)?.action?.performer;
  return performer?.does === 'wait' && performer.wait.kind === 'approval' ? performer.wait.form : null;
}
