/** (e) the rows that saves left in the ledger: those of the model, with its values, and no others. */
export async function checkLedger(facts, ledger) {
  if (ledger === null) return;
  const rows = await ledger.database.readPatiently(
    `SELECT execution::text, step, v FROM ${ledger.table} WHERE execution = ANY($1::bigint[])`,
    [[...facts.executions.keys()]],
  );
  const byExecution = Map.groupBy(rows, ({ execution }) => execution);
  facts.notes.savedRows = rows.length;
  for (const [id, { row, prediction }] of facts.executions) {
    if (prediction === null || facts.isDisturbed(id)) continue;
    const mine = new Map((byExecution.get(id) ?? []).map(({ step, v }) => [step, Number(v)]));
    for (const [step, v] of mine)
      if (prediction.rows.get(step) !== v)
        facts.violation('e', id, `the row of ${step} has ${v}, the model says ${prediction.rows.get(step) ?? 'none'}`);
    if (row.status === 'cancelled' || row.error?.code === 'poison') continue;
    for (const step of prediction.rows.keys()) if (!mine.has(step)) facts.violation('e', id, `${row.status} without the row of ${step}`);
  }
}
