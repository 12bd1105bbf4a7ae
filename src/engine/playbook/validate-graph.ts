import { TYPE_WORDS } from './action-fields.js';
import { type Findings } from './findings.js';
import { checkJoins } from './joins.js';
import { type EdgePlaces } from './normalise-next.js';
import { type StepDraft } from './normalise-step.js';
import { nearest } from './normalise-values.js';
import { type Action, type EdgeTarget, type Step, type StepRole, type WorkbookTask } from './playbook.js';
import { at } from './source-positions.js';

/** Gives out the roles and checks names, edges, task references and reachability. Cycles are allowed. */
export function linkSteps(drafts: readonly StepDraft[], tasks: readonly WorkbookTask[], places: EdgePlaces, findings: Findings): Step[] {
  const byName = new Map<string, StepDraft>();
  for (const draft of drafts) {
    const first = byName.get(draft.step.name);
    if (first)
      findings.error(
        'duplicate_step',
        draft.pointer,
        `There are two steps named "${draft.step.name}"; the first is on line ${first.step.line}.`,
      );
    else byName.set(draft.step.name, draft);
  }
  const entry = byName.get('start') ?? drafts.find(({ says }) => says === 'start') ?? drafts[0];
  const terminal = byName.get('end') ?? drafts.find(({ says }) => says === 'end');
  const steps = drafts.map((draft): Step => ({ ...draft.step, role: roleOf(draft, entry, terminal) }));
  if (terminal?.hasNext)
    findings.error('end_with_next', at(terminal.pointer, 'next'), `"${terminal.step.name}" ends the playbook and cannot have a next.`);
  checkEdges(drafts, byName, places, findings);
  checkTasks(drafts, tasks, findings);
  checkJoins(drafts, entry, findings);
  // Where an edge is broken, what lies behind it would only be noise.
  if (entry && findings.errors.length === 0) warnUnreachable(drafts, entry, terminal, byName, findings);
  return steps;
}

function roleOf(draft: StepDraft, entry: StepDraft | undefined, terminal: StepDraft | undefined): StepRole {
  // A playbook of one step that is `end` still has to start somewhere.
  if (draft === entry) return 'entry';
  return draft === terminal ? 'terminal' : 'inner';
}

function checkEdges(drafts: readonly StepDraft[], byName: ReadonlyMap<string, StepDraft>, places: EdgePlaces, findings: Findings): void {
  const names = [...byName.keys()];
  for (const draft of drafts) {
    for (const target of targetsOf(draft)) {
      if (byName.has(target.step)) continue;
      const hint = nearest(target.step, names);
      findings.error(
        'unknown_step',
        places.get(target) ?? draft.pointer,
        `There is no step "${target.step}"${hint ? `; did you mean "${hint}"?` : '.'}`,
      );
    }
  }
}

function checkTasks(drafts: readonly StepDraft[], tasks: readonly WorkbookTask[], findings: Findings): void {
  const names = tasks.map(({ name }) => name);
  const check = (action: Action, pointer: string): void => {
    const name = action.fields['name'];
    if (action.type === 'workbook' && typeof name === 'string' && !names.includes(name)) {
      // In some spellings a step names its type with `task`; here that names a task.
      const hint = TYPE_WORDS.includes(name) ? `type: ${name}` : nearest(name, names);
      findings.error('unknown_task', pointer, `There is no workbook task "${name}"${hint ? `; did you mean "${hint}"?` : '.'}`);
    }
    for (const task of action.tasks) check(task, pointer);
  };
  for (const { step, pointer } of drafts) {
    if (step.action) check(step.action, pointer);
    if (step.compensate) check(step.compensate.action, at(pointer, 'compensate'));
  }
}

function warnUnreachable(
  drafts: readonly StepDraft[],
  entry: StepDraft,
  terminal: StepDraft | undefined,
  byName: ReadonlyMap<string, StepDraft>,
  findings: Findings,
): void {
  const reached = new Set<StepDraft>([entry]);
  // The set grows while it is walked: a Set visits what is added on the way.
  for (const draft of reached) {
    for (const { step } of targetsOf(draft)) {
      const next = byName.get(step);
      if (next) reached.add(next);
    }
  }
  for (const draft of drafts) {
    // The terminal step runs when all else is done, even where no edge leads to it.
    if (!reached.has(draft) && draft !== terminal && byName.get(draft.step.name) === draft)
      findings.warn('unreachable_step', draft.pointer, `No path leads from "${entry.step.name}" to "${draft.step.name}"; it never runs.`);
  }
}

function targetsOf({ step }: StepDraft): EdgeTarget[] {
  const targets = step.next.flatMap((entry) => (entry.kind === 'when' ? [...entry.then, ...entry.else] : [...entry.then]));
  if (step.onError.kind === 'goto') targets.push(step.onError.target);
  if (step.onTimeout) targets.push(step.onTimeout);
  return targets;
}
