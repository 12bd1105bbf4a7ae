// What a large catalog costs an MCP client: the default list, a search and a call, with 10 entries and with 10,000. Prints milliseconds; not part of
// the tests. Usage: node test/conformance/scale.mjs [--entries 10000]
import { Agent, request } from 'node:http';
import { startService } from './conformance.mjs';

const at = process.argv.indexOf('--entries');
const MANY = at < 0 ? 10_000 : Number(process.argv[at + 1]);
const ROUNDS = 200;
const SETTLES_MS = 20_000;
const WORDS = ['invoice', 'customer', 'ledger', 'month', 'report', 'payment', 'order', 'account', 'price', 'stock', 'tax', 'refund'];
const agent = new Agent({ keepAlive: true });

const service = await startService();
const { hostname, port } = new URL(service.url);

function post(path, body, headers = {}) {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        hostname,
        port,
        path,
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers },
      },
      (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
      },
    );
    asked.on('error', reject);
    asked.end(text);
  });
}

async function mcp(method, params) {
  const headers = {
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(params.name ? { 'mcp-name': params.name } : {}),
  };
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const { text } = await post('/mcp', { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } }, headers);
  const answer = JSON.parse(text);
  if (!answer.result || answer.result.isError) throw new Error(text.slice(0, 500));
  return answer.result;
}

const nameOf = (index) => `${WORDS[index % WORDS.length]}_${WORDS[Math.floor(index / WORDS.length) % WORDS.length]}_${index}`;

async function register(index) {
  const name = nameOf(index);
  const content = `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${name}, path: scale/${WORDS[index % WORDS.length]}/${name}, description: "Handles the ${WORDS[(index * 7) % WORDS.length]} of ${WORDS[(index * 5) % WORDS.length]} ${index}" }
${index < 5 ? 'mcp: { expose: [pinned] }\n' : ''}workload: { amount: 1, who: nobody }
workflow:
  - { step: start, next: [end] }
  - { step: end, result: "{{ workload.who }} {{ workload.amount }}" }
`;
  const { status, text } = await post('/catalog/register', { content });
  if (status !== 201) throw new Error(text);
}

async function grow(from, to) {
  let next = from;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < to) await register(next++);
    }),
  );
}

/** Processor seconds of the service so far, without its database. */
async function cpuSeconds() {
  const { text } = await new Promise((resolve, reject) => {
    request({ hostname, port, path: '/metrics', agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ text: Buffer.concat(chunks).toString() }));
    })
      .on('error', reject)
      .end();
  });
  return Number(/^showrunner_cpu_seconds_total (\S+)$/m.exec(text)?.[1] ?? NaN);
}

async function measure(entries) {
  const times = { 'tools/list': [], catalog_search: [], 'tools/call': [] };
  const timed = async (name, act) => {
    const began = performance.now();
    await act();
    times[name].push(performance.now() - began);
  };
  const tools = await mcp('tools/list', {});
  const cpu = await cpuSeconds();
  for (let round = 0; round < ROUNDS; round++) {
    await timed('tools/list', () => mcp('tools/list', {}));
    const query = `${WORDS[round % WORDS.length]} ${WORDS[(round * 3 + 1) % WORDS.length]}`;
    await timed('catalog_search', () => mcp('tools/call', { name: 'catalog_search', arguments: { query, limit: 10 } }));
    await timed('tools/call', () => mcp('tools/call', { name: tools.tools.at(-1).name, arguments: { who: 'me' } }));
  }
  const spent = ((await cpuSeconds()) - cpu) / (ROUNDS * 3);
  console.log(`${String(entries).padStart(6)} entries  ${(spent * 1000).toFixed(2)} ms of processor time a request`);
  for (const [name, all] of Object.entries(times)) {
    const sorted = all.slice(ROUNDS / 10).sort((a, b) => a - b);
    const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1);
    console.log(`${String(entries).padStart(6)} entries  ${name.padEnd(15)} p50 ${quantile(0.5)} ms  p99 ${quantile(0.99)} ms`);
  }
}

try {
  await grow(0, 10);
  await measure(10);
  const began = performance.now();
  await grow(10, MANY);
  console.log(`registered ${MANY - 10} entries in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await new Promise((done) => setTimeout(done, SETTLES_MS)); // checkpoints and autovacuum of so many rows at once
  await measure(MANY);
} finally {
  agent.destroy();
  await service.stop();
}
