import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { effectValue } from '../chaos/generator/arithmetic.mjs';
import { Http } from '../chaos/http.mjs';
import { PROBES } from '../chaos/world/program.mjs';
import { World } from '../chaos/world/world.mjs';
import { BROKEN_ROWS } from './poison/broken-rows.mjs';
import { HOSTILE_STEPS, REGEX_BOMB } from './poison/hostile-steps.mjs';
import { around, documentOf, poisonPlaybooks } from './poison/playbooks.mjs';

const NEIGHBOURS = 1_000;
const LEASE_MS = 3_000;
const MAX_ATTEMPTS = 5;
/** Broken while the executions wait so long: nodes are started again meanwhile. */
const WAIT_SECONDS = 40;
const CRASHING_RUN = fileURLToPath(new URL('./poison/crashing-run.mjs', import.meta.url));

/** What makes the process end, or stand still, whoever works on the execution. */
const CRASHES = [
  { where: 'claim', how: 'kill' },
  { where: 'claim', how: 'memory' },
  { where: 'effect', how: 'kill' },
  { where: 'effect', how: 'abort' },
  { where: 'effect', how: 'exit' },
  { where: 'effect', how: 'hang' },
  { where: 'claim', how: 'loop' },
  { where: 'claim', how: 'overflow' },
];
const CHANGES = [
  {
    file: 'worker/worker.service.js',
    find: 'const orchestrator = this.orchestrator(held, playbook, store);',
    put: "if (held.history !== null) globalThis.trialPoison?.('claim', held.run);\n const orchestrator = this.orchestrator(held, playbook, store);",
  },
  {
    file: 'engine/orchestrator.js',
    find: 'this.performing().perform(perform);',
    put: "if (perform.effect) globalThis.trialPoison?.('effect', this.held.run);\n this.performing().perform(perform);",
  },
];

/** Definitions and rows that crash or hang whoever works on them: each must end, in a few attempts, and cost its neighbours nothing (R5). */
export async function run({ minutes, random, folder, say, verdict }) {
  const crashes = join(folder, 'crashes.jsonl');
  appendFileSync(crashes, '');
  const world = await World.build({
    folder,
    nodes: 2,
    leaseMs: LEASE_MS,
    changes: CHANGES,
    nodeEnv: () => ({
      NODE_OPTIONS: `--import=${PROBES} --import=${CRASHING_RUN} --max-old-space-size=256`,
      TRIAL_CRASHES: crashes,
      PYTHON_WORKERS: '2',
    }),
    random,
    short: true,
  });
  try {
    await new Poison(world, crashes, say).run(performance.now() + minutes * 60_000, random, verdict);
  } finally {
    await world.close();
  }
}

class Poison {
  wrongEnds = [];
  tooOften = [];
  neighboursLost = [];
  notServing = [];
  /** Every execution that does harm: what it is, its id, how it must end. */
  cases = [];
  neighbours = new Map();
  #refused = 0;
  #turn = 0;

  constructor(world, crashes, say) {
    Object.assign(this, { world, crashes, say, http: world.nodes.map(({ url }) => new Http(url)) });
  }

  async run(deadline, random, verdict) {
    await this.#register();
    const neighbours = this.#startNeighbours(random);
    await this.#startHolding();
    await this.#startHostile();
    await this.#breakRows();
    this.say('everything is broken; one node is stopped, the other killed, and both are started again with the broken rows in place');
    const since = performance.now();
    await Promise.all([this.world.nodes[0].end('SIGTERM'), this.world.nodes[1].end('SIGKILL')]);
    await this.#nodesServe('after the restart');
    const restartMs = Math.round(performance.now() - since);
    await this.#startCrashing();
    await neighbours;
    await this.#settle(deadline);
    await this.#nodesServe('at the end');
    await this.#judge(restartMs, verdict);
  }

  async #register() {
    this.playbooks = poisonPlaybooks(this.world.effects.url, WAIT_SECONDS);
    for (const [name, workflow] of Object.entries(this.playbooks)) await this.#registered(`trial/${name}`, workflow);
  }

  async #registered(path, workflow, workload, mayRefuse = false) {
    const answer = await this.#send('POST', '/catalog/register', { body: { content: documentOf(path, workflow, workload) } });
    if (answer.status >= 300 && answer.status < 500 && mayRefuse) return false;
    if (answer.status >= 300) throw new Error(`${path} was refused with ${answer.status}: ${JSON.stringify(answer.json).slice(0, 400)}`);
    return true;
  }

  /** Repeats until a node answers; starts have a key, so that a repetition is the same start. */
  async #send(method, path, options) {
    for (let turn = 0; ; turn++) {
      const answer = await this.http[(turn + this.#turn++) % this.http.length]
        .send(method, path, { timeoutMs: 3_000, ...options })
        .catch(() => null);
      if (answer !== null && answer.status !== 503) return answer;
      this.#refused += 1;
      if (turn > 600) throw new Error(`${method} ${path} found no node that answers`);
      await sleep(200);
    }
  }

  async #start(path, key, parameters, trial) {
    const body = { path, parameters, metadata: trial === undefined ? {} : { trial } };
    const answer = await this.#send('POST', '/execute', { body, headers: { 'idempotency-key': key } });
    if (answer.status >= 300) throw new Error(`a start of ${path} was answered with ${answer.status}: ${JSON.stringify(answer.json)}`);
    return answer.json.id;
  }

  /** One after the other, so that they are about all the time. */
  async #startNeighbours(random) {
    let next = 0;
    const one = async () => {
      while (next < NEIGHBOURS) {
        const number = next++;
        const n = random.int(0, 1_000_000);
        this.neighbours.set(await this.#start('trial/neighbour', `neighbour-${number}`, { n }), n);
        await sleep(random.int(500, 3_000));
      }
    };
    await Promise.all(Array.from({ length: 16 }, one));
    this.say(`${NEIGHBOURS} neighbours are started`);
  }

  async #startHolding() {
    for (const [name, { of = 'parked', sql, ends = 'failed' }] of Object.entries(BROKEN_ROWS)) {
      const path = of === 'own' ? `trial/${name}` : `trial/${of}`;
      if (of === 'own') await this.#registered(path, this.playbooks.parked);
      this.cases.push({ name, ends, sql, id: await this.#start(path, name, { n: 1 }) });
    }
  }

  async #startHostile() {
    for (const [name, { step, workload, ends = 'failed' }] of Object.entries(HOSTILE_STEPS)) {
      if (!(await this.#registered(`trial/${name}`, around(step), workload, true))) {
        this.say(`  ${name} is refused at the door`);
        continue;
      }
      this.cases.push({ name, ends, id: await this.#start(`trial/${name}`, name, {}) });
    }
    // At its limit a workload is no poison.
    const big = 'w'.repeat(1_000_000);
    this.cases.push({ name: 'workload_at_limit', ends: 'completed', id: await this.#start('trial/neighbour', 'big', { n: 1, big }) });
    await this.#registered('trial/regex', around(REGEX_BOMB));
    const id = await this.#start('trial/regex', 'regex', {});
    this.cases.push({ name: 'regex_bomb', ends: 'ended', id });
    await sleep(500);
    const since = performance.now();
    const answer = await this.#send('POST', `/executions/${id}/signal`, { body: { name: 'go', payload: { a: `${'a'.repeat(50_000)}!` } } });
    this.signalMs = Math.round(performance.now() - since);
    this.say(`a signal for a pattern that explodes was answered with ${answer.status} in ${this.signalMs} ms`);
    if (answer.status >= 500) this.notServing.push(`a signal for a pattern that explodes: ${answer.status}`);
  }

  /** Once they wait without a holder, by SQL. */
  async #breakRows() {
    const damaged = this.cases.filter(({ sql }) => sql !== undefined);
    const ids = damaged.map(({ id }) => id);
    for (const until = performance.now() + 30_000; ; await sleep(200)) {
      const [{ waiting }] = await this.world.database.readPatiently(
        `SELECT count(*)::int AS waiting FROM execution WHERE id = ANY($1::bigint[]) AND lease_token IS NULL AND wake_at > clock_timestamp() + interval '2 seconds'`,
        [ids],
      );
      if (waiting === ids.length) break;
      if (performance.now() > until) throw new Error(`only ${waiting} of ${ids.length} executions wait without a holder`);
    }
    const client = new pg.Client({ connectionString: this.world.database.url, application_name: 'trial' });
    await client.connect();
    try {
      for (const { name, id, sql } of damaged) {
        for (const text of sql) {
          const { rowCount } = await client.query(text, [id]);
          if (rowCount === 0) throw new Error(`${name} damages nothing`);
        }
      }
    } finally {
      await client.end();
    }
  }

  async #startCrashing() {
    for (const trial of CRASHES) {
      const name = `${trial.how}_at_${trial.where}`;
      // A claim comes after a wait of its own.
      const path = trial.where === 'claim' ? 'trial/claimed' : 'trial/neighbour';
      if (trial.where === 'claim' && !this.claimed) {
        await this.#registered(path, [
          { step: 'start', next: 'hold' },
          { step: 'hold', type: 'wait', duration: 6, next: 'end' },
          { step: 'end' },
        ]);
        this.claimed = true;
      }
      // One that only stands still may go on where nobody else was there to take it over.
      const ends = trial.how === 'hang' || trial.how === 'loop' ? 'ended' : 'failed';
      this.cases.push({ name, ends, id: await this.#start(path, name, { n: 1 }, trial) });
    }
  }

  async #nodesServe(when) {
    const late = await Promise.all(this.world.nodes.map((node) => node.ready())).then(
      () => null,
      (error) => error.message,
    );
    if (late !== null) this.notServing.push(`${when}: ${late}`);
  }

  /** Waits until nothing is open but what must wait. */
  async #settle(deadline) {
    const waiting = new Set(this.cases.filter(({ ends }) => ends === 'waits').map(({ id }) => id));
    for (let said = 0; performance.now() < deadline; await sleep(1_000)) {
      const open = await this.world.database.readPatiently(
        `SELECT id::text, attempts FROM execution WHERE status NOT IN ('completed', 'failed', 'cancelled') ORDER BY id`,
      );
      const left = open.filter(({ id }) => !waiting.has(id));
      if (left.length === 0) return;
      if (performance.now() - said > 15_000) {
        said = performance.now();
        const names = left.map(({ id, attempts }) => `${this.cases.find((each) => each.id === id)?.name ?? 'neighbour'} (${attempts})`);
        this.say(`${left.length} open: ${[...new Set(names)].slice(0, 12).join(', ')}; ${this.#crashLines().length} crashes`);
      }
    }
  }

  #crashLines() {
    return readFileSync(this.crashes, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  async #judge(restartMs, verdict) {
    const rows = await this.world.database.readPatiently(
      `SELECT e.id::text, e.status, e.error->>'code' AS code, e.attempts, e.claim_no, (extract(epoch FROM e.ended_at - e.created_at))::float8 AS seconds,
         (SELECT count(*)::int FROM execution_event v WHERE v.execution_id = e.id AND v.event_type IN ('execution_completed', 'execution_failed', 'execution_cancelled')) AS ends,
         (SELECT p.result FROM execution_payload p WHERE p.execution_id = e.id AND p.result IS NOT NULL LIMIT 1) AS result FROM execution e`,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    const crashes = this.#crashLines();
    const ends = {};
    for (const { name, id, ends: wanted } of this.cases) this.#checkCase(name, wanted, byId.get(id), crashes, ends);
    let completed = 0;
    for (const [id, n] of this.neighbours) {
      const row = byId.get(id);
      if (row?.status === 'completed' && row.result?.v === effectValue('after', n) && row.ends === 1) completed += 1;
      else
        this.neighboursLost.push(
          `${id} is ${row?.status} ${row?.code ?? ''} (attempts ${row?.attempts}, result ${JSON.stringify(row?.result)})`,
        );
    }
    const byThemselves = this.#unplannedEnds(crashes);
    verdict.figure('executions that do harm', this.cases.length);
    verdict.figure('their ends', ends);
    verdict.figure('crashes and stalls of nodes by them', crashes.length);
    verdict.figure(
      'starts of the nodes',
      this.world.nodes.map(({ starts }) => starts),
    );
    verdict.figure('milliseconds of a restart with the broken rows in place', restartMs);
    verdict.figure('requests that had to be repeated', this.#refused);
    verdict.bound(
      'what does harm ends as it must',
      this.wrongEnds.length === 0,
      this.wrongEnds.length === 0 ? this.cases.length : this.wrongEnds,
    );
    const most = Math.max(
      ...Map.groupBy(crashes, ({ execution }) => execution)
        .values()
        .map((mine) => mine.length),
    );
    verdict.bound(`in at most ${MAX_ATTEMPTS} attempts`, this.tooOften.length === 0, this.tooOften.length === 0 ? most : this.tooOften);
    verdict.bound('all neighbours complete', completed === NEIGHBOURS, [
      `${completed} of ${NEIGHBOURS}`,
      ...this.neighboursLost.slice(0, 10),
    ]);
    verdict.bound('nodes end only where they are made to', byThemselves.length === 0, byThemselves);
    verdict.bound('nodes serve', this.notServing.length === 0, this.notServing);
    verdict.bound('a pattern that explodes is answered soon', this.signalMs < 5_000, `${this.signalMs} ms`);
    verdict.needs(crashes.length >= CRASHES.length, `only ${crashes.length} crashes`);
  }

  #checkCase(name, wanted, row, crashes, counts) {
    const mine = crashes.filter(({ execution }) => execution === row?.id).length;
    const end = `${row?.status}${row?.code ? ` ${row.code}` : ''}`;
    counts[end] = (counts[end] ?? 0) + 1;
    const about = `attempts ${row?.attempts}, claims ${row?.claim_no}, crashes ${mine}`;
    this.say(`  ${name.padEnd(24)} ${end.padEnd(30)} ${about}, ${row?.seconds?.toFixed(0)} s`);
    const terminal = ['completed', 'failed', 'cancelled'].includes(row?.status);
    const right =
      wanted === 'waits' ? row?.status === 'running' && row.attempts === 0 : wanted === 'ended' ? terminal : row?.status === wanted;
    if (!right) this.wrongEnds.push(`${name} (${row?.id}) is ${end}, not ${wanted}; ${about}`);
    else if (terminal && row.ends !== 1) this.wrongEnds.push(`${name} (${row.id}) has ${row.ends} terminal events`);
    if (mine > MAX_ATTEMPTS) this.tooOften.push(`${name} (${row?.id}): ${about}`);
  }

  /** Processes end by what was planned only. */
  #unplannedEnds(crashes) {
    return this.world.nodes.flatMap((node) =>
      node.unexpectedEnds
        .filter((end) => !crashes.some(({ node: at, at: wall }) => at === end.node && end.wall >= wall && end.wall - wall < 20_000))
        .map((end) => `node ${end.node} (${end.code ?? end.signal}): ${end.output.slice(-3).join(' | ')}`),
    );
  }
}
