// The load generator, a process of its own: N clients, each one request at a time over its own connection.
// argv: url of the service, JSON {path, mode, clients, seconds}. Prints one line of JSON.
import { encodeRequest, WireClient } from './http-wire.mjs';

const [url, json] = process.argv.slice(2);
const { path, mode, clients, seconds } = JSON.parse(json);
const body = JSON.stringify({
  path,
  version: 'latest',
  execution_type: 'playbook',
  parameters: { message: 'Hello World' },
  merge: false,
  sync_to_postgres: true,
  context: { parent_execution_id: 'exec_123', parent_event_id: 'event_456', parent_step: 'fetch_data' },
  metadata: { triggered_by: 'scheduler', priority: 'high' },
});
const headers = { 'content-type': 'application/json', ...(mode === 'wait' ? { prefer: 'wait=30' } : {}) };
const TERMINAL = new Set(['completed', 'failed', 'cancelled']);
const latencies = [];
let failed = 0;
let counting = false;
const until = performance.now() + 1000 * (seconds + 1);

const start = encodeRequest({ method: 'POST', path: mode === 'ceiling' ? '/' : '/execute', headers, body });

async function call(client, request) {
  const { status, body: answer } = await client.request(request);
  return { statusCode: status, json: JSON.parse(answer.toString()) };
}

async function runOnce(client) {
  const { statusCode, json: started } = await call(client, start);
  if (mode === 'ceiling') return statusCode === 200;
  if (mode === 'wait') return statusCode === 200 && started.status === 'completed';
  if (statusCode !== 202) return false;
  const poll = encodeRequest({ method: 'GET', path: `/executions/${started.execution_id}` });
  let { status } = started;
  while (!TERMINAL.has(status)) ({ status } = (await call(client, poll)).json);
  return status === 'completed';
}

async function loop() {
  const client = new WireClient(url);
  while (performance.now() < until) {
    const since = performance.now();
    const ok = await runOnce(client).catch(() => false);
    if (!counting) continue;
    if (ok) latencies.push(performance.now() - since);
    else failed += 1;
  }
  client.close();
}

const loops = Array.from({ length: clients }, loop);
await new Promise((done) => setTimeout(done, 1000)); // the first second warms up
counting = true;
process.stdout.write('counting\n');
const since = performance.now();
await Promise.all(loops);
const elapsed = (performance.now() - since) / 1000;
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? null;
process.stdout.write(
  `${JSON.stringify({ completed: latencies.length, failed, perSecond: latencies.length / elapsed, p50: at(0.5), p95: at(0.95), p99: at(0.99), elapsed })}\n`,
);
