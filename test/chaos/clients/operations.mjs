import { setTimeout as sleep } from 'node:timers/promises';
import { signalValue } from '../generator/arithmetic.mjs';
import { decideApprovals, decideOpen } from './approvals.mjs';
import { Client } from './client.mjs';

const MAX_TRIES = 60;
const SERVED_WITHIN_MS = 60_000;
/** What the service's answers may say, in the order in which an execution goes through it. */
const seen = ({ json }) => ({ seen: [[json.id, json.status, json.progress]] });

/** What clients do, how often, and whether it begins an execution. To add an operation, add an entry. */
export const OPERATIONS = {
  start: { weight: 40, starts: true, run: start },
  start_and_cancel: { weight: 5, starts: true, run: startAndCancel },
  status: { weight: 25, run: status },
  list: { weight: 6, run: list },
  events: { weight: 6, run: events },
  cancel: { weight: 3, run: cancel },
  pause: { weight: 2, run: pause },
  register: { weight: 2, run: register },
  /** Only where a deck asks for it. */
  same_start: { weight: 0, starts: true, run: sameStart },
};

/** Some results are large enough to lie apart. */
const blobKib = (random) => (random.chance(0.25) ? random.int(300, 900) : random.int(1, 100));

/** One in two starts has a key and is repeated until its outcome is known. @returns the execution's id, null where it is not known */
async function start(client) {
  const { random, load } = client;
  const op = load.nextOp();
  const playbook = random.pick([...load.playbooks.values()]);
  const parameters = { n: random.int(0, 1_000_000), blob: random.chance(0.03) ? 'b'.repeat(blobKib(random) * 1024) : '' };
  const request = {
    op,
    playbook,
    parameters,
    style: random.pick(['path', 'id']),
    key: random.chance(load.keyed) ? `key-${op}` : null,
    prefer: random.chance(0.1),
  };
  const node = random.int(0, load.nodes.length - 1);
  if (request.key === null) {
    const { execution } = await startOnce(client, request, node);
    await sendSignals(client, request, execution);
    return execution;
  }
  // Now and then the same start comes several times at once, to several nodes.
  const twins = random.chance(0.1) ? 3 : 1;
  const answers = await Promise.all(Array.from({ length: twins }, (_, twin) => repeat(client, request, (node + twin) % load.nodes.length)));
  const execution = answers.find((id) => id !== null) ?? null;
  if (execution !== null && random.chance(0.05)) await mismatch(client, request, node);
  await sendSignals(client, request, execution);
  return execution;
}

const SAME_STARTS = 32;

/** One start, sent many times at once over all nodes, each repeated until it is answered; then the same key with another body. */
async function sameStart(client) {
  const { random, load } = client;
  const op = load.nextOp();
  const playbook = random.pick([...load.playbooks.values()]);
  const parameters = { n: random.int(0, 1_000_000), blob: '' };
  const request = { op, playbook, parameters, style: random.pick(['path', 'id']), key: `key-${op}`, prefer: false };
  const answers = await Promise.all(Array.from({ length: SAME_STARTS }, (_, twin) => repeat(client, request, twin % load.nodes.length)));
  const known = answers.filter((id) => id !== null);
  load.sameStarts.keys += 1;
  load.sameStarts.answers += known.length;
  // A node that is away, or does not know its database's mind, says nothing of the key.
  for (let turn = 0; known.length > 0 && turn < MAX_TRIES; turn++) {
    const { answer } = await mismatch(client, request, turn % load.nodes.length);
    if (answer !== null && answer.status < 500) break;
    await sleep(200);
  }
  await sendSignals(client, request, known[0] ?? null);
}

/** Sends a start with a key to one node, again and again until it is accepted. */
export async function startUntilServed(load, node) {
  const client = new Client(load, 0);
  const op = load.nextOp();
  const playbook = client.random.pick([...load.playbooks.values()]);
  const request = { op, playbook, parameters: { n: 1, blob: '' }, style: 'path', key: `key-${op}`, prefer: false };
  for (const until = performance.now() + SERVED_WITHIN_MS; performance.now() < until; await sleep(25)) {
    const { phase, execution } = await startOnce(client, request, node);
    if (phase !== 'ok') continue;
    await sendSignals(client, request, execution);
    break;
  }
  client.close();
}

async function repeat(client, request, firstNode) {
  for (let turn = 0; turn < MAX_TRIES; turn++) {
    const { phase, execution, status } = await startOnce(client, request, (firstNode + turn) % client.load.nodes.length);
    if (phase === 'ok') return execution;
    if (phase === 'fail' && status !== 503 && status !== undefined) return null;
    await sleep(client.load.stopped ? 1_000 : 200);
  }
  return null;
}

async function startOnce(client, { op, playbook, parameters, style, key, prefer }, node) {
  const { load } = client;
  const { path, version } = playbook;
  const common = { parameters, metadata: { op } };
  const body = style === 'path' ? { path, version, ...common } : { playbook_id: `${path}@${version}`, ...common };
  const headers = { ...(key === null ? {} : { 'idempotency-key': key }), ...(prefer ? { prefer: 'wait=2' } : {}) };
  const about = { op: 'start', id: op, key, style, path, version, n: parameters.n, size: parameters.blob.length, prefer };
  const url = style === 'path' ? '/execute' : '/executions/run';
  const { phase, line } = await client.call(about, node, 'POST', url, { body, headers }, ({ json, headers: got }) => ({
    execution: json.id,
    replayed: got['idempotency-replayed'] === 'true',
    ...seen({ json }),
  }));
  if (phase !== 'ok') return { phase, execution: null, status: line.status };
  if (!line.replayed) load.acknowledged += 1;
  load.remember(line.execution);
  return { phase, execution: line.execution, status: line.status };
}

/** The same key with another body must be refused. */
async function mismatch(client, request, node) {
  const { playbook, key, style } = request;
  const parameters = { n: request.parameters.n + 1, blob: '' };
  const common = { parameters, metadata: { op: `${request.op}-mismatch` } };
  const body =
    style === 'path'
      ? { path: playbook.path, version: playbook.version, ...common }
      : { playbook_id: `${playbook.path}@${playbook.version}`, ...common };
  const url = style === 'path' ? '/execute' : '/executions/run';
  return await client.call({ op: 'mismatch', key }, node, 'POST', url, { body, headers: { 'idempotency-key': key } }, ({ json }) => ({
    execution: json.id,
  }));
}

async function startAndCancel(client) {
  const execution = await start(client);
  if (execution === null) return;
  await sleep(client.random.int(0, 600));
  await cancelOne(client, execution);
}

async function cancel(client) {
  const { recent } = client.load;
  // Among the newest: older ones have ended.
  if (recent.length > 0) await cancelOne(client, client.random.pick(recent.slice(-40)));
}

async function cancelOne(client, execution) {
  const node = client.random.int(0, client.load.nodes.length - 1);
  const about = { op: 'cancel', execution };
  await client.call(about, node, 'POST', `/executions/${execution}/cancel`, { body: { reason: 'chaos' } }, ({ json }) => ({
    answer: json.status,
  }));
}

/** Most executions get their signals soon, often before they wait for them; the others when the round comes to its end. */
async function sendSignals(client, request, execution) {
  const { playbook, parameters } = request;
  await decideApprovals(client, request, execution);
  const { signals } = playbook.predict(parameters);
  if (execution === null || signals.length === 0 || client.random.chance(0.2)) return;
  await sleep(client.random.int(0, 400));
  for (const name of signals) await sendSignal(client, execution, name, parameters.n);
}

async function sendSignal(client, execution, name, n) {
  const payload = { v: signalValue(name, n) };
  await client.call(
    { op: 'signal', execution, name },
    client.otherNode(-1),
    'POST',
    `/executions/${execution}/signal`,
    { body: { name, payload } },
    ({ json }) => ({
      seen: [[json.id, json.status, json.progress]],
    }),
  );
}

async function pause(client) {
  const { recent } = client.load;
  if (recent.length === 0) return;
  const execution = client.random.pick(recent.slice(-40));
  await client.call({ op: 'pause', execution }, client.otherNode(-1), 'POST', `/executions/${execution}/pause`, { body: {} }, seen);
  await sleep(client.random.int(20, 1_500));
  await resume(client, execution);
}

async function resume(client, execution) {
  await client.call({ op: 'resume', execution }, client.otherNode(-1), 'POST', `/executions/${execution}/resume`, {}, seen);
}

/** What an execution still needs from outside when a round comes to its end: a signal that nobody sent, a decision, a pause that nobody took back. */
export async function settleByHand(load, { id, waits_for: name, asks, n, paused }) {
  const client = new Client(load, 0);
  if (paused) await resume(client, id);
  if (name !== null) await sendSignal(client, id, name, n);
  if (asks) await decideOpen(client, id, n);
  client.close();
}

async function status(client) {
  const { random, load } = client;
  if (load.recent.length === 0) return void (await sleep(20));
  const execution = random.pick(load.recent);
  await client.call({ op: 'status', execution }, client.otherNode(-1), 'GET', `/executions/${execution}`, {}, seen);
}

async function list(client) {
  await client.call({ op: 'list', limit: 100 }, client.otherNode(-1), 'GET', '/executions?limit=100', {}, ({ json }) => ({
    seen: json.map(({ id, status: state, progress }) => [id, state, progress]),
  }));
}

async function events(client) {
  const { random, load } = client;
  if (load.recent.length === 0) return void (await sleep(20));
  const execution = random.pick(load.recent);
  await client.call(
    { op: 'events', execution },
    client.otherNode(-1),
    'GET',
    `/executions/${execution}/events?limit=1000`,
    {},
    ({ json }) => ({
      seqs: json.events.map(({ seq }) => seq),
      last: json.events.at(-1)?.event_type ?? null,
    }),
  );
}

/** A new version of a known path, or a new path. */
async function register(client) {
  const { random, load } = client;
  const op = load.nextOp();
  const known = random.pick([...load.playbooks.values()]);
  const path = random.chance(0.5) ? known.path : `chaos/${load.label}/${op}`;
  await registerPlaybook(client, load.newPlaybook(path, `2.${op.replace(/\D+/g, '')}.0`));
}

/** @returns whether it was accepted; an unknown outcome is repeated, which changes nothing */
export async function registerPlaybook(client, playbook) {
  const { content, path, version } = playbook;
  for (let turn = 0; turn < 5; turn++) {
    const node = client.otherNode(-1);
    const { phase } = await client.call(
      { op: 'register', path, version },
      node,
      'POST',
      '/catalog/register',
      { body: { content } },
      () => ({}),
    );
    if (phase === 'ok') client.load.playbooks.set(`${path}@${version}`, playbook);
    if (phase === 'ok') return true;
    await sleep(200);
  }
  return false;
}
