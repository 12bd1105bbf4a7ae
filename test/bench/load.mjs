// The load generator, a process of its own: N clients, each one request at a time over its own connection.
// argv: url of the service, JSON {path, mode, clients, seconds}. Prints one line of JSON.
import { Client } from 'undici';

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

async function call(client, options) {
  const { statusCode, body: answer } = await client.request(options);
  return { statusCode, json: await answer.json() };
}

async function runOnce(client) {
  const { statusCode, json: started } = await call(client, { method: 'POST', path: mode === 'ceiling' ? '/' : '/execute', headers, body });
  if (mode === 'ceiling') return statusCode === 200;
  if (mode === 'wait') return statusCode === 200 && started.status === 'completed';
  if (statusCode !== 202) return false;
  let { status } = started;
  while (!TERMINAL.has(status)) ({ status } = (await call(client, { method: 'GET', path: `/executions/${started.execution_id}` })).json);
  return status === 'completed';
}

async function loop() {
  const client = new Client(url, { pipelining: 1 });
  while (performance.now() < until) {
    const since = performance.now();
    const ok = await runOnce(client).catch(() => false);
    if (!counting) continue;
    if (ok) latencies.push(performance.now() - since);
    else failed += 1;
  }
  await client.close();
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
