const SETTLES = new Set(['step_completed', 'step_failed', 'step_timed_out', 'step_skipped']);
/** How a step may have ended, by what became of its approval. */
const ENDS = {
  approved: ['step_completed', 'step_skipped'],
  rejected: ['step_failed', 'step_skipped'],
  expired: ['step_timed_out', 'step_skipped'],
  cancelled: ['step_skipped'],
};

/**
 * (d) A decision that was acknowledged is in its approval, and each one is in the history, once. (f) A step ends as its approval does. (j) What is over has no
 * open approval, and no wait was ever without one.
 */
export async function checkApprovals(facts) {
  const rows = await facts.database.readPatiently(
    `SELECT id::text, execution_id::text AS execution, step, wave, state, cardinality(decisions) AS decisions FROM approval WHERE execution_id = ANY($1::bigint[])`,
    [[...facts.executions.keys()]],
  );
  const acknowledged = Map.groupBy(facts.lines('decide', 'ok'), ({ approval }) => approval);
  const byExecution = Map.groupBy(rows, ({ execution }) => execution);
  facts.notes.approvals = rows.length;
  facts.notes.decisions = rows.reduce((sum, { decisions }) => sum + decisions, 0);
  for (const [id, { row, events }] of facts.executions) {
    const mine = byExecution.get(id) ?? [];
    const isPoison = row.error?.code === 'poison';
    const askers = events.filter(({ type, approval }) => type === 'step_waiting' && approval !== null);
    for (const { step, wave, approval, at } of askers) {
      if (mine.some((each) => each.step === step && each.wave === wave && each.id === approval)) continue;
      // One that began and was skipped in the same unit, which has one time, never was there for anybody to see.
      const isOverAtOnce = events.some((event) => event.step === step && event.wave === wave && event.at === at && SETTLES.has(event.type));
      if (!isOverAtOnce) facts.violation('j', id, `${step}/${wave} waited for an approval that is not there`, { approval });
    }
    for (const each of mine) {
      const about = events.filter(({ step, wave }) => step === each.step && wave === each.wave);
      const told = about.filter(({ type }) => type === 'approval_decided').length;
      const answered = acknowledged.get(each.id)?.length ?? 0;
      if (each.decisions < answered)
        facts.violation('d', id, `${answered} decisions were acknowledged, ${each.decisions} are there`, { each });
      if (told !== each.decisions && !isPoison)
        facts.violation('d', id, `${each.decisions} decisions, and the history tells of ${told}`, { each });
      if (each.state === 'open') facts.violation('j', id, `${row.status} with an open approval`, { each });
      const end = about.find(({ type }) => SETTLES.has(type))?.type ?? null;
      if (each.state in ENDS && !ENDS[each.state].includes(end) && !(isPoison && end === null))
        facts.violation('f', id, `the approval of ${each.step} is ${each.state}, its step ended with ${end}`, { each });
    }
  }
}
