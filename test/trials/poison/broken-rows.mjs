/**
 * Damage to what is stored of an execution that waits, as a bad disk, a wrong script or a foreign hand does it. `of`: which playbook it needs
 * (playbooks.mjs). `sql`: one or several statements, $1 is the execution. `ends`: what must become of it, `failed` where nothing is said;
 * `ended` where either end is right, because the damage may not matter; `waits`: nobody may touch it.
 */
export const BROKEN_ROWS = {
  event_text: { sql: [event(`'"text"'`)], ends: 'ended' },
  event_null: { sql: [event(`'null'`)], ends: 'ended' },
  event_list: { sql: [event(`'[1, 2]'`)], ends: 'ended' },
  event_empty: { sql: [event(`'{}'`)], ends: 'ended' },
  event_wrong_types: { sql: [event(`'{"wave": "x", "attempt": [], "inputs": 7, "value": {"data": null}}'`)], ends: 'ended' },
  event_nul: { sql: [event(String.raw`'{"value": {"a": "\u0000", "b": "\ud800"}}'`)], ends: 'ended' },
  event_deep: { sql: [event(`(repeat('[', 5000) || repeat(']', 5000))::json`)], ends: 'ended' },
  event_deep_value: { sql: [event(`('{"value": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::json`)], ends: 'ended' },
  event_huge_number: { sql: [event(`'{"value": {"v": 1e999}, "wave": 1e999}'`)], ends: 'ended' },
  event_unknown_type: {
    sql: [`UPDATE execution_event SET event_type = 'no_such_event' WHERE execution_id = $1 AND seq = 2`],
    ends: 'ended',
  },
  event_unknown_step: { sql: [`UPDATE execution_event SET step = 'no_such_step' WHERE execution_id = $1 AND step IS NOT NULL`] },
  event_missing: { sql: [`DELETE FROM execution_event WHERE execution_id = $1 AND seq = 2`], ends: 'ended' },
  events_gone: { sql: [`DELETE FROM execution_event WHERE execution_id = $1`], ends: 'ended' },
  seq_too_high: { sql: [`UPDATE execution SET last_seq = last_seq + 5 WHERE id = $1`], ends: 'ended' },
  row_metadata: { sql: [`UPDATE execution SET metadata = '"text"', waiting_for = '[[[]]]', error = '7' WHERE id = $1`], ends: 'ended' },
  payload_gone: { sql: [`DELETE FROM execution_payload WHERE execution_id = $1`], ends: 'ended' },
  payload_text: { sql: [`UPDATE execution_payload SET parameters = '"x"', workload = '"x"' WHERE execution_id = $1`], ends: 'ended' },
  payload_deep: {
    sql: [`UPDATE execution_payload SET workload = (repeat('[', 5000) || repeat(']', 5000))::json WHERE execution_id = $1`],
    ends: 'ended',
  },
  inbox_nonsense: {
    sql: [
      `INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload) SELECT id, inbox_seq + 1, tenant_id, 'nonsense', '"x"' FROM execution WHERE id = $1`,
      `INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload) SELECT id, inbox_seq + 2, tenant_id, 'signal', '[]' FROM execution WHERE id = $1`,
      `UPDATE execution SET inbox_seq = inbox_seq + 2 WHERE id = $1`,
    ],
    ends: 'ended',
  },
  codec_unknown: { sql: [`UPDATE execution SET codec = 99 WHERE id = $1`], ends: 'waits' },
  blob_gone: { of: 'large', sql: [`DELETE FROM execution_blob WHERE execution_id = $1`] },
  blob_text: { of: 'large', sql: [`UPDATE execution_blob SET body = '7' WHERE execution_id = $1`], ends: 'ended' },
  blob_deep: {
    of: 'large',
    sql: [`UPDATE execution_blob SET body = (repeat('[', 5000) || repeat(']', 5000))::json WHERE execution_id = $1`],
    ends: 'ended',
  },
  // All of it is in the events as well.
  snapshot_text: { of: 'long', sql: [snapshot(`'"x"'`)], ends: 'completed' },
  snapshot_null: { of: 'long', sql: [snapshot(`'null'`)], ends: 'completed' },
  snapshot_empty: { of: 'long', sql: [snapshot(`'{}'`)], ends: 'completed' },
  snapshot_short: { of: 'long', sql: [snapshot(`'[1, 2, 3]'`)], ends: 'completed' },
  snapshot_gone: { of: 'long', sql: [`DELETE FROM execution_snapshot WHERE execution_id = $1`], ends: 'completed' },
  // Entries are of one execution each; nodes have them compiled in memory until they are started again.
  entry_text: { of: 'own', sql: [entry(`'"x"'`)] },
  entry_null: { of: 'own', sql: [entry(`'null'`)] },
  entry_empty: { of: 'own', sql: [entry(`'{}'`)] },
  entry_no_steps: { of: 'own', sql: [entry(`'{"workflow": null, "metadata": 3, "steps": "x"}'`)] },
  entry_deep: { of: 'own', sql: [entry(`(repeat('[', 5000) || repeat(']', 5000))::json`)] },
  entry_half: { of: 'own', sql: [entry(`replace(normalised::text, '"step', '"stop')::json`)], ends: 'ended' },
  entry_templates: { of: 'own', sql: [entry(`replace(normalised::text, '{{', '{{ ((( ')::json`)], ends: 'ended' },
  entry_gone: { of: 'own', sql: [`DELETE FROM playbook WHERE id = (SELECT catalog_id FROM execution WHERE id = $1)`] },
};

function event(body) {
  return `UPDATE execution_event SET body = ${body} WHERE execution_id = $1 AND seq = (SELECT max(seq) - 1 FROM execution_event WHERE execution_id = $1 AND step IS NOT NULL)`;
}

function snapshot(state) {
  return `UPDATE execution_snapshot SET state = ${state} WHERE execution_id = $1`;
}

function entry(normalised) {
  return `UPDATE playbook SET normalised = ${normalised} WHERE id = (SELECT catalog_id FROM execution WHERE id = $1)`;
}
