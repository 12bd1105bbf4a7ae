import { setTimeout as sleep } from 'node:timers/promises';
import { decisionOf } from '../generator/arithmetic.mjs';

const LOOKS = 4;

/** Most approvals are decided soon, by whoever finds them; the others when the round comes to its end. */
export async function decideApprovals(client, { playbook, parameters }, execution) {
  const { approvals } = playbook.predict(parameters);
  const isDecided = approvals.some((step) => decisionOf(step, parameters.n) !== null);
  if (execution === null || !isDecided || client.random.chance(0.2)) return;
  for (let look = 0; look < LOOKS; look++) {
    await sleep(client.random.int(20, 400));
    await decideOpen(client, execution, parameters.n);
  }
}

/** Decides what an execution waits for, as the model says. */
export async function decideOpen(client, execution, n) {
  const path = `/approvals?execution_id=${execution}&state=open`;
  const found = ({ json }) => ({ found: json.length });
  const { phase, answer } = await client.call({ op: 'approvals', execution }, client.otherNode(-1), 'GET', path, {}, found);
  for (const { id, step } of phase === 'ok' ? answer.json : []) {
    const body = decisionOf(step, n);
    if (body === null) continue;
    const about = { op: 'decide', execution, approval: id, step };
    const state = ({ json }) => ({ state: json.state, decisions: json.decisions.length });
    await client.call(about, client.otherNode(-1), 'POST', `/approvals/${id}`, { body }, state);
  }
}
