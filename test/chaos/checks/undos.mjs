import { isDeepStrictEqual } from 'node:util';

/**
 * (e) What an execution did that failed or was cancelled is undone: each step that its history says succeeded (or began, where its playbook says so)
 * once, the newest first, and it comes to what the model says. With force the rest is named. Of one that completed nothing is undone.
 */
export function checkUndos(facts) {
  let undone = 0;
  let failed = 0;
  for (const [id, { row, events, prediction }] of facts.executions) {
    if (prediction === null || prediction.undos.size === 0 || row.error?.code === 'poison' || facts.isDisturbed(id)) continue;
    const due = dueOf(events, prediction);
    const wanted = row.status === 'completed' ? [] : due.reverse();
    const ends = events.filter(({ type }) => type === 'compensation_completed' || type === 'compensation_failed');
    const skipped = events.find(({ type }) => type === 'compensation_skipped')?.firings.map(({ step }) => step) ?? [];
    const seen = [...ends.map(({ step }) => undoneBy(step)), ...skipped];
    undone += ends.length;
    if (!isDeepStrictEqual(seen, wanted))
      facts.violation('e', id, `undone were ${seen}, what was done says ${wanted}`, { status: row.status });
    for (const { type, step } of ends) {
      const fails = prediction.undos.get(undoneBy(step))?.fails;
      if (fails !== (type === 'compensation_failed')) facts.violation('e', id, `${step}: ${type}, which is not the model’s`);
    }
    const named = (row.error?.cause?.compensation_failed ?? []).map(({ step }) => step);
    const failing = ends.filter(({ type }) => type === 'compensation_failed').map(({ step }) => undoneBy(step));
    failed += failing.length;
    if (!isDeepStrictEqual(named, failing)) facts.violation('e', id, `its error names ${named} as not undone, its history ${failing}`);
  }
  Object.assign(facts.notes, { undone, failedUndos: failed });
}

const undoneBy = (step) => step.replace('.compensate', '');

/** Steps that are to be undone, in the order of their ends. */
function dueOf(events, { undos }) {
  const begun = new Set(events.filter(({ type }) => type === 'step_started').map(({ step }) => step));
  const acted = new Set(events.filter((event) => event.acted).map(({ step }) => step));
  return events.flatMap(({ type, step }) => {
    const undo = undos.get(step);
    if (undo === undefined || !begun.has(step)) return [];
    const cameToNothing = type === 'step_failed' || type === 'step_skipped';
    return type === 'step_completed' || (cameToNothing && (undo.covers === 'started' || acted.has(step))) ? [step] : [];
  });
}
