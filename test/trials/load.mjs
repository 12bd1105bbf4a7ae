// A load generator, a process of its own. argv: url of the service, JSON { path, clients, rate, seconds, ids }. With a `rate` it is an open loop: so
// many starts a second are sent whatever becomes of them; without one each client waits for the end of its execution before it starts the next.
// Ids of acknowledged executions go to the file `ids`, one a line. Prints one line of JSON.
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

const TICK_MS = 5;
const [url, json] = process.argv.slice(2);
const { path, clients, rate, seconds, ids } = JSON.parse(json);
const pool = new Pool(url, { connections: clients, pipelining: 1, headersTimeout: 60_000 });
const file = openSync(ids, 'a');
const body = JSON.stringify({ path });
const headers = { 'content-type': 'application/json', ...(rate === undefined ? { prefer: 'wait=30' } : {}) };
const found = { sent: 0, acknowledged: 0, refused: {}, wrong: [], unknown: 0 };
const times = { acknowledged: [], refused: [], lag: [] };

/** What a refusal must be: a problem document with a known code, and when to come again. */
function faultOf({ statusCode, headers: received }, problem) {
  if (statusCode !== 429 && statusCode !== 503) return `status ${statusCode}`;
  if (!String(received['content-type']).startsWith('application/problem+json')) return `content type ${received['content-type']}`;
  if (!/^[1-9]\d*$/.test(received['retry-after'] ?? '')) return `Retry-After ${received['retry-after']}`;
  return problem.status === statusCode && /^[a-z_]+$/.test(problem.code) ? null : 'no problem document';
}

async function start() {
  found.sent += 1;
  const since = performance.now();
  try {
    const answer = await pool.request({ method: 'POST', path: '/execute', headers, body });
    const value = await answer.body.json();
    const took = performance.now() - since;
    if (answer.statusCode === 202 || answer.statusCode === 200) {
      found.acknowledged += 1;
      times.acknowledged.push(took);
      writeSync(file, `${value.execution_id}\n`);
      return;
    }
    times.refused.push(took);
    const fault = faultOf(answer, value);
    if (fault !== null && found.wrong.length < 10) found.wrong.push(`${fault}: ${JSON.stringify(value).slice(0, 300)}`);
    const name = `${answer.statusCode} ${value.code}`;
    found.refused[name] = (found.refused[name] ?? 0) + 1;
  } catch (error) {
    found.unknown += 1;
    if (found.wrong.length < 10) found.wrong.push(`no answer: ${error.message}`);
  }
}

const until = performance.now() + seconds * 1000;
const open = new Set();
if (rate === undefined) {
  const client = async () => {
    while (performance.now() < until) await start();
  };
  await Promise.all(Array.from({ length: clients }, client));
} else {
  const since = performance.now();
  for (let n = 0; ;) {
    const now = performance.now();
    if (now >= until) break;
    for (; since + (n * 1000) / rate <= now; n++) {
      times.lag.push(now - (since + (n * 1000) / rate));
      const one = start().finally(() => open.delete(one));
      open.add(one);
    }
    await sleep(TICK_MS);
  }
  await Promise.all(open);
}
closeSync(file);
await pool.close();
const { user, system } = process.cpuUsage();
const figures = Object.fromEntries(
  Object.entries(times).map(([name, values]) => {
    values.sort((a, b) => a - b);
    const at = (share) => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? null;
    return [name, { n: values.length, p50: at(0.5), p99: at(0.99), max: at(1) }];
  }),
);
console.log(JSON.stringify({ ...found, figures, cpuSeconds: (user + system) / 1e6 }));
