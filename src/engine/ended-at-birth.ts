import { LONGEST_RESULT } from './child-ended.js';
import { type CompiledPlaybook, type CompiledStep } from './playbook/compiled.js';
import { type EndedBirth, type NewRun } from './ports.js';
import { decide } from './run/decide.js';
import { type DecisionWorld } from './run/decision.js';
import { factsOf, type RunFacts } from './run/run-scope.js';
import { statusOfEnd } from './run/events.js';
import { newRunState } from './run/run-state.js';
import { savesToWorld } from './run/saves.js';
import { endedRow } from './run/shown-row.js';
import { mergeWorkload } from './run/workload.js';

/**
 * Runs a called run to its end before anything of it is stored, where it only computes and one decision is enough: then it comes into being as an
 * execution that has ended, in the unit of its caller, which need not be told and goes on at once. What neither acts nor waits cannot be interrupted
 * half-way, so nothing tells such a run from one that was stored first (D17).
 * @returns null where it has to be begun like any other
 */
export function endedAtBirth(run: NewRun, playbook: CompiledPlaybook, env: RunFacts['env'], world: DecisionWorld): EndedBirth | null {
  if (!onlyComputes(playbook) || run.startAt !== null || run.timeoutAt !== null) return null;
  const state = newRunState(playbook, run.workload ?? mergeWorkload(playbook.playbook.workload, run.parameters, run.merge));
  const { events, finish, characters } = decide(playbook, state, factsOf(run, playbook, env), world, { kind: 'start', kept: run.kept });
  if (finish === null || JSON.stringify(finish.result).length > LONGEST_RESULT) return null;
  return {
    status: statusOfEnd(finish.event),
    events: [...events, finish.event],
    row: endedRow(state, finish.event),
    result: finish.result,
    characters,
  };
}

const known = new WeakMap<CompiledPlaybook, boolean>();

/** Whether no step of it acts, waits, calls, or saves to the world: all of it is rendering. */
function onlyComputes(playbook: CompiledPlaybook): boolean {
  let computes = known.get(playbook);
  if (computes === undefined) known.set(playbook, (computes = playbook.steps.every(isComputed)));
  return computes;
}

function isComputed(step: CompiledStep): boolean {
  const does = step.action?.performer?.does;
  const renders = step.action === null || does === 'fail' || does === 'report' || does === 'save';
  return renders && !savesToWorld(step, true) && !savesToWorld(step, false);
}
