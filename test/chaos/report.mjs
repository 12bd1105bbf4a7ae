import { writeFileSync } from 'node:fs';
import { join as joinPaths } from 'node:path';

/** Everything about the first violation: its slice of the history, its rows, its calls, the faults around it. Written to the run's folder. */
export async function explain(world, facts) {
  const [first] = facts.violations;
  const { execution } = first;
  const op = facts.executions.get(execution)?.row.op;
  const history = facts.history.filter((line) => line.execution === execution || (op !== undefined && line.id === op));
  const rows = async (table, order) =>
    execution === null
      ? []
      : await world.database.readPatiently(
          `SELECT * FROM ${table} WHERE ${table === 'execution' ? 'id' : 'execution_id'} = $1 ORDER BY ${order}`,
          [execution],
        );
  const times = [...history.map(({ wall }) => wall), ...facts.calls.filter((call) => call.execution === execution).map(({ at }) => at)];
  const explanation = {
    first,
    history,
    execution: await rows('execution', 'id'),
    events: await rows('execution_event', 'seq'),
    inbox: await rows('execution_inbox', 'inbox_seq'),
    calls: facts.calls.filter((call) => call.execution === execution),
    faults: times.length === 0 ? [] : facts.faultsBetween(Math.min(...times), Math.max(...times)),
    playbook: facts.playbooks.get(`${facts.executions.get(execution)?.row.path}@${facts.executions.get(execution)?.row.version}`)?.content,
    all: facts.violations.map(({ check, execution: id, message }) => ({ check, execution: id, message })),
  };
  const file = joinPaths(world.folder, `violation-${facts.label}.json`);
  writeFileSync(file, JSON.stringify(explanation, null, 1));
  return file;
}

/** Adds numbers up, key by key. */
export function addUp(into, counts) {
  for (const [name, value] of Object.entries(counts)) into[name] = (into[name] ?? 0) + value;
  return into;
}

/** Puts samples together, name by name. */
export function join(into, samples) {
  for (const [name, values] of Object.entries(samples)) (into[name] ??= []).push(...values);
  return into;
}

/** One line per kind of sample: how many, median, 99th percentile, highest. */
export function spread(samples) {
  return Object.entries(samples)
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => {
      const sorted = values.toSorted((a, b) => a - b);
      const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]);
      return `  ms ${name}: ${sorted.length} times, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`;
    });
}

/** @returns why a run proves nothing, empty where it does */
export function lacks(counts, floor) {
  const reasons = [];
  // Where each start is sent many times at once, every one of its answers is an acknowledgement that must hold.
  const acknowledged = Math.max(counts.acknowledged, counts.answersToThem);
  if (acknowledged < floor) reasons.push(`${acknowledged} acknowledged executions, at least ${floor} are needed`);
  if (counts.faults === 0) reasons.push('there were no faults');
  else if (counts.faultsHit < counts.faults / 2) reasons.push(`only ${counts.faultsHit} of ${counts.faults} faults hit live work`);
  return reasons;
}
