// A node with little memory and many large payloads at once: it refuses what is too large, ends the rest, and small executions hardly notice.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Http } from '../chaos/http.mjs';
import { World } from '../chaos/world/world.mjs';
import { spread } from './figures.mjs';
import { MemoryLimit } from './memory-limit.mjs';
import { OtherSide } from './other-side.mjs';
import { allEnded, register } from './start.mjs';

const execute = promisify(execFile);
const PROGRAM_OF_NEIGHBOURS = fileURLToPath(new URL('neighbours.mjs', import.meta.url));
const KIB = 1_024;
const MIB = 1_024 * KIB;
const LIMIT_MIB = 512;
const PARALLEL = 50;
const NEIGHBOURS = 4;
const NEIGHBOUR_PAUSE_MS = 20;
const BEFOREHAND_SECONDS = 20;
const SLOWER = 2;
const BODY_LIMIT = MIB;
const RESULT_LIMIT = 16 * MIB;
/** What a value has beside the body of the answer: status, headers, address. */
const AROUND = 2 * KIB;
/** As documents are written: an answer is asked of the other side, the payload of a start is passed on. Waiting for room is part of a step's time. */
const document = (name, steps) => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${name}, path: trial/${name} }
workload: { bytes: 0, pad: "" }
workflow:
${steps}  - step: end
`;
const answers = (address) =>
  document(
    'answers',
    `  - step: start\n    type: http\n    method: GET\n    endpoint: "http://${address}/?bytes={{ workload.bytes }}"\n    timeout: 300\n    next: end\n`,
  );
const PAYLOADS = document('payloads', `  - step: start\n    next:\n      - step: end\n        data: { pad: "{{ workload.pad }}" }\n`);
const SMALL = document('small', `  - step: start\n    next:\n      - step: end\n        data: { message: hello }\n`);

export async function run({ minutes, random, folder, say, verdict }) {
  const side = await OtherSide.start();
  const limit = MemoryLimit.of(LIMIT_MIB * MIB);
  // Without a control group V8 is told to leave room for what is not its heap, and going beyond is only seen, not stopped.
  const env = { OUTBOUND_ALLOW: side.address };
  const nodeEnv = () => env;
  const world = await World.build({
    ...{ folder, nodes: 1, leaseMs: 15_000, random, short: false, direct: true, nodeEnv },
    command: limit?.command ?? ['/usr/bin/env', `NODE_OPTIONS=--max-old-space-size=${LIMIT_MIB / 2}`],
  });
  try {
    const [node] = world.nodes;
    const paths = {
      answers: await register(node, answers(side.address)),
      payloads: await register(node, PAYLOADS),
      small: await register(node, SMALL),
    };
    say(`the bound: ${limit === null ? 'resident memory, watched' : `a control group, version ${limit.version}`}; neighbours alone`);
    await neighbours(node, paths.small, 5);
    const before = await neighbours(node, paths.small, BEFOREHAND_SECONDS);
    say(`${PARALLEL} large ones at once for ${minutes} min`);
    const found = { wrong: [], retried: {}, done: {}, ended: 0 };
    const watching = { on: true };
    const watched = watch(node, watching);
    const until = performance.now() + minutes * 60_000;
    const during = neighbours(node, paths.small, minutes * 60);
    await Promise.all(Array.from({ length: PARALLEL }, (_, n) => large(node, paths, random.stream(`client-${n}`), until, found)));
    const after = await during;
    const open = await allEnded(world.database, 'trial/%', 120_000);
    watching.on = false;
    await watched;
    const states = await world.database.readPatiently(
      `SELECT path, status, error->>'code' AS code, count(*)::int AS n FROM execution GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    );
    judge(verdict, { node, limit, before, after, found, open, states });
  } finally {
    await world.close();
    limit?.remove();
    await side.close();
  }
}

async function watch(node, watching) {
  for (; watching.on; await sleep(50)) node.sampleMemory();
}

/** Small executions beside all else, from a process of its own. @returns their latencies and what was not right */
async function neighbours(node, path, seconds) {
  const options = JSON.stringify({ path, clients: NEIGHBOURS, pauseMs: NEIGHBOUR_PAUSE_MS, seconds });
  const { stdout } = await execute(process.execPath, [PROGRAM_OF_NEIGHBOURS, node.url, options], { maxBuffer: 64 * MIB });
  return JSON.parse(stdout);
}

/** Sizes are as likely between 256 and 512 KiB as between 8 and 16 MiB. */
const size = (random, low, high) => Math.round(low * (high / low) ** random.next());

const KINDS = {
  answer: (random) => ({ playbook: 'answers', parameters: { bytes: size(random, 256 * KIB, RESULT_LIMIT - AROUND) }, code: null }),
  'answer above what a value may have': () => ({ playbook: 'answers', parameters: { bytes: RESULT_LIMIT }, code: 'result_too_large' }),
  'answer above what is received': (random) => ({
    playbook: 'answers',
    parameters: { bytes: RESULT_LIMIT + random.int(1, 16 * MIB) },
    code: 'response_too_large',
  }),
  payload: (random) => ({ playbook: 'payloads', parameters: { pad: 'p'.repeat(size(random, 256 * KIB, BODY_LIMIT - KIB)) }, code: null }),
  'payload above the limit': (random) => ({
    playbook: 'payloads',
    parameters: { pad: 'p'.repeat(size(random, BODY_LIMIT, 16 * MIB)) },
    status: 413,
    code: 'body_too_large',
  }),
};
const WEIGHTS = {
  answer: 6,
  'answer above what a value may have': 0.3,
  'answer above what is received': 0.3,
  payload: 3,
  'payload above the limit': 0.6,
};

async function large(node, paths, random, until, found) {
  const http = new Http(node.url);
  while (performance.now() < until) {
    const kind = random.weighted(WEIGHTS);
    const { playbook, parameters, status = 200, code } = KINDS[kind](random);
    const answer = await http
      .send('POST', '/execute', { body: { path: paths[playbook], parameters }, headers: { prefer: 'wait=60' }, timeoutMs: 90_000 })
      .catch((error) => ({ status: 0, json: error.message }));
    if (answer.status === 429 || answer.status === 503) {
      found.retried[answer.status] = (found.retried[answer.status] ?? 0) + 1;
      await sleep(Number(answer.headers['retry-after'] ?? 1) * 1_000);
      continue;
    }
    const seen = status === 200 ? (answer.json?.error_details?.code ?? null) : answer.json?.code;
    // One that has not ended within the wait is looked at in the end, with all others.
    const right = answer.status === 202 || (answer.status === status && seen === code);
    if (right) found.done[kind] = (found.done[kind] ?? 0) + 1;
    else found.wrong.push(`${kind}: ${answer.status} ${JSON.stringify(answer.json).slice(0, 300)}`);
    if (!right) await sleep(500);
    if (right && kind === 'answer' && random.chance(0.2)) {
      const { status: read } = await http
        .send('GET', `/executions/${answer.json.execution_id}/result`, { timeoutMs: 90_000 })
        .catch((error) => ({ status: error.message }));
      if (read !== 200 && read !== 503) found.wrong.push(`a result is answered with ${read}`);
    }
  }
  http.close();
}

function judge(verdict, { node, limit, before, after, found, open, states }) {
  const [alone, beside] = [spread(before.times), spread(after.times)];
  const done = Object.values(found.done).reduce((sum, n) => sum + n, 0);
  verdict.needs(done >= PARALLEL * 4, `only ${done} large ones came to an end`);
  verdict.needs(
    Object.keys(WEIGHTS).every((kind) => found.done[kind] > 0),
    'a kind was never tried',
  );
  verdict.figure('large ones, by kind', found.done);
  verdict.figure('asked to come again', found.retried);
  verdict.figure('executions', states);
  verdict.figure('resident memory at most, MiB', node.peakRss);
  if (limit !== null) verdict.figure('used at most in the control group, MiB', limit.peakMiB);
  verdict.bound('the node did not end', node.unexpectedEnds.length === 0 && (limit?.kills ?? 0) === 0, {
    ends: node.unexpectedEnds.length,
    kills: limit?.kills ?? null,
    first: node.unexpectedEnds[0] ?? null,
  });
  verdict.bound(`at most ${LIMIT_MIB} MiB`, limit !== null || node.peakRss <= LIMIT_MIB, `${node.peakRss} MiB`);
  verdict.bound('each comes to the end it must, oversized ones with their code', found.wrong.length === 0, {
    wrong: found.wrong.length,
    first: found.wrong.slice(0, 5),
  });
  verdict.bound('all are over', open === 0, `${open} open`);
  verdict.bound('small executions beside them all complete', after.wrong.length === 0, {
    wrong: after.wrong.length,
    first: after.wrong.slice(0, 3),
  });
  verdict.bound(`their p99 is below ${SLOWER} times what it was alone`, beside.p99 < alone.p99 * SLOWER, { alone, beside });
}
