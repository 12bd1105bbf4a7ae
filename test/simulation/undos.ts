import { predict } from './programs.js';
import { type ActBlock, type Block, type Program, type UndoPlan } from './scenario.js';
import { type Stored } from './tables.js';

type Violate = (rule: string, runId: string | null, message: string) => void;

/** All acts of a program. */
function actsOf(block: Block): ActBlock[] {
  switch (block.kind) {
    case 'act':
      return [block];
    case 'seq':
      return block.blocks.flatMap(actsOf);
    case 'fork':
    case 'race':
    case 'choice':
      return block.branches.flatMap(actsOf);
    case 'loop':
      return actsOf(block.body);
    default:
      return [];
  }
}

const failsFor = ({ program, fails, attempts }: UndoPlan, programs: readonly Program[]): boolean =>
  program === null ? fails === 'always' || fails >= attempts : predict(programs[program]!, programs).status === 'failed';

/**
 * What a run did that failed or was cancelled is undone: each firing that its history says succeeded, saves apart (or, where its plan covers that, began) once, the
 * newest first, and it comes to what its plan says. Of one that was cancelled with force the rest is named. Of one that completed nothing is undone.
 */
export function undos({ row, events }: Stored, { body }: Program, programs: readonly Program[], violate: Violate): void {
  const plans = new Map(actsOf(body).flatMap(({ name, undo }) => (undo ? [[name, undo] as const] : [])));
  const begun = new Set<string>();
  const acted = new Set<string>();
  const due: string[] = [];
  const undone: string[] = [];
  let skipped: string[] = [];
  let isForced = false;
  for (const { event_type: type, step, content } of events) {
    if (type === 'cancel_requested') isForced ||= content.force === true;
    if (type === 'compensation_skipped') skipped = content.firings!.map(({ step: of, wave }) => `${of}#${wave}`);
    if (step === null) continue;
    const firing = `${step}#${content.wave}`;
    const plan = plans.get(step);
    if (type === 'step_started') begun.add(firing);
    if (type === 'action_acted' && content.acted!.end.ok) acted.add(firing);
    const succeeded = type === 'step_completed' && content.error === undefined;
    const cameToNothing = type === 'step_failed' || type === 'step_skipped' || (type === 'step_completed' && !succeeded);
    if (
      plan &&
      content.inherited !== true &&
      begun.has(firing) &&
      (succeeded || (cameToNothing && (plan.covers === 'started' || acted.has(firing))))
    )
      due.push(firing);
    if (type !== 'compensation_completed' && type !== 'compensation_failed') continue;
    const of = step.replace('.compensate', '');
    undone.push(`${of}#${content.wave}`);
    const failed = type === 'compensation_failed';
    if (failed !== failsFor(plans.get(of)!, programs))
      violate('model', row.id, `the compensation of ${of} ${failed ? 'failed' : 'completed'}, and the model says otherwise`);
  }
  const wanted = row.status === 'completed' ? [] : due.reverse();
  const seen = [...undone, ...skipped];
  if (JSON.stringify(seen) !== JSON.stringify(wanted))
    violate('model', row.id, `undone: ${seen.join(' ') || 'nothing'}, and what was done says ${wanted.join(' ') || 'nothing'}`);
  if (skipped.length > 0 && !isForced) violate('model', row.id, `${skipped.join(' ')} was not undone, and nobody cancelled with force`);
  const named = ((row['error'] as { cause?: { compensation_failed?: unknown[] } } | null)?.cause?.compensation_failed ?? []).length;
  const failures = events.filter(({ event_type }) => event_type === 'compensation_failed').length;
  if (named !== failures) violate('model', row.id, `${failures} compensations failed, and its error names ${named}`);
}
