import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { FOLLOWERS, KINDS, READS } from './mix.mjs';
import { pathOf } from './playbooks.mjs';
import { quantile } from './statistics.mjs';

const TICK_MS = 2;
const READS_PER_START = 0.12;
const REPEATED_KEYS = 0.25;
const MAX_FOLLOWERS = 500;
const REMEMBERED = 400;
const ANSWER_WITHIN_MS = 35_000;

/**
 * Planned load: starts are due at a constant rate, whatever the service does (open loop). So many may be under way; what is due beyond is not
 * started, and counts as that. Latencies count from the moment a start was due.
 */
export class Load {
  planned = 0;
  notStarted = 0;
  refused = 0;
  inFlight = 0;
  followers = 0;
  unfollowed = 0;
  /** How often each operation was done. */
  counts = {};
  #begin = 0;
  #stopped = false;
  #running = new Set();
  #loop = null;
  #recent = [];
  #latencies = {};
  #keys = 0;

  /** @param {{ url: string, rate: number, random: import('../chaos/random.mjs').Random, ledger: import('./ledger.mjs').Ledger, contents: object }} options */
  constructor({ url, rate, random, ledger, contents }) {
    Object.assign(this, { rate, random, ledger, maxInFlight: Math.min(1_000, Math.max(64, Math.round(rate * 2))) });
    this.contents = contents;
    this.paths = Object.fromEntries(Object.entries(contents).map(([name, content]) => [name, pathOf(content)]));
    this.weights = weightsOf(KINDS);
    this.readWeights = weightsOf(READS);
    this.followerWeights = weightsOf(FOLLOWERS);
    this.calls = new Pool(url, {
      connections: this.maxInFlight,
      pipelining: 1,
      headersTimeout: ANSWER_WITHIN_MS,
      bodyTimeout: ANSWER_WITHIN_MS,
    });
    this.streams = new Pool(url, { connections: MAX_FOLLOWERS, pipelining: 1, headersTimeout: ANSWER_WITHIN_MS, bodyTimeout: 0 });
  }

  async prepare() {
    for (const content of Object.values(this.contents)) {
      const { statusCode, json } = await this.#send('POST', '/catalog/register', { content });
      if (statusCode !== 201) throw new Error(`a playbook is answered ${statusCode}: ${JSON.stringify(json)}`);
    }
  }

  /** Connections of this load to the node. */
  get connections() {
    return this.calls.stats.connected + this.streams.stats.connected;
  }

  start() {
    this.#begin = performance.now();
    this.#loop = this.#pace();
  }

  /** Nothing is started any more; resolves when all that is under way has ended. */
  async stop() {
    this.#stopped = true;
    await this.#loop;
    await Promise.all(this.#running);
  }

  async close() {
    await Promise.all([this.calls.destroy(), this.streams.destroy()]);
  }

  async #pace() {
    while (!this.#stopped) {
      const due = Math.floor(((performance.now() - this.#begin) / 1000) * this.rate);
      while (this.planned < due) {
        this.planned += 1;
        const name = this.random.weighted(this.weights);
        const reads = this.random.chance(READS_PER_START);
        if (this.inFlight >= this.maxInFlight) this.notStarted += 1;
        else this.#run(this.#start(name, this.#begin + (this.planned * 1000) / this.rate));
        if (reads) this.#run(this.#read());
      }
      await sleep(TICK_MS);
    }
  }

  #run(work) {
    const running = work.catch((error) => this.ledger.violate('request', error.message)).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #start(name, dueAt) {
    const kind = KINDS[name];
    const { wait = false, keyed = false, end = 'completed', then } = kind;
    const parameters = kind.parameters?.(this.random) ?? { message: 'Hello World' };
    const key = keyed ? `soak-${this.random.seed}-${(this.#keys += 1)}` : null;
    const body = { path: this.paths[kind.playbook], parameters, metadata: { triggered_by: 'soak', priority: 'high' } };
    const headers = { ...(wait ? { prefer: 'wait=30' } : {}), ...(key === null ? {} : { 'idempotency-key': key }) };
    this.inFlight += 1;
    let answer;
    try {
      answer = await this.#send('POST', '/execute', body, headers);
    } finally {
      this.inFlight -= 1;
    }
    const { statusCode, json } = answer;
    if (this.#isRefusal(statusCode)) return;
    if (statusCode !== 200 && statusCode !== 202)
      return this.ledger.violate('answer', `a start of ${name} is answered ${statusCode}: ${JSON.stringify(json).slice(0, 500)}`);
    this.#count(name);
    const id = json.id;
    this.ledger.accept(id, end);
    this.#remember(id);
    if (wait) {
      (this.#latencies[name] ??= []).push(performance.now() - dueAt);
      if (json.status !== end)
        this.ledger.violate('wait', `execution ${id} of ${name} is answered as ${json.status}, not ${end}: ${json.error}`);
      if (key !== null && this.random.chance(REPEATED_KEYS)) await this.#repeat(id, body, headers);
      return;
    }
    await Promise.all([then?.({ load: this, id, random: this.random }), this.#follow(id, end)]);
  }

  async #repeat(id, body, headers) {
    this.#count('repeated_key');
    const { statusCode, json } = await this.#send('POST', '/execute', body, headers);
    if (this.#isRefusal(statusCode)) return;
    if (statusCode >= 400 || json.id !== id)
      this.ledger.violate('key', `a repeated start of ${id} is answered ${statusCode}, execution ${json?.id}`);
  }

  async #follow(id, end) {
    const name = this.random.weighted(this.followerWeights);
    if (this.followers >= MAX_FOLLOWERS) return void (this.unfollowed += 1);
    this.#count(name);
    this.followers += 1;
    try {
      await FOLLOWERS[name].run({ load: this, id, end });
    } finally {
      this.followers -= 1;
    }
  }

  async #read() {
    if (this.#recent.length === 0) return;
    const name = this.random.weighted(this.readWeights);
    this.#count(name);
    await READS[name].run({ load: this, recent: this.random.pick(this.#recent) });
  }

  /** @returns the answer's value; null where it is another one than expected, which is a violation unless it says that there is too much to do */
  async expect(expected, method, path, body) {
    const { statusCode, json } = await this.#send(method, path, body);
    if (statusCode === expected) return json;
    if (!this.#isRefusal(statusCode))
      this.ledger.violate('answer', `${method} ${path} is answered ${statusCode}: ${JSON.stringify(json).slice(0, 500)}`);
    return null;
  }

  /** As `expect`, again where there was too much to do: something depends on it. */
  async insist(expected, method, path, body) {
    for (let tries = 0; tries < 100; tries++) {
      const { broken } = this.ledger;
      const answer = await this.expect(expected, method, path, body);
      if (answer !== null || this.ledger.broken > broken) return answer;
      await sleep(1_000);
    }
    return null;
  }

  /** Whether an answer says that there is too much to do now; counted. */
  #isRefusal(statusCode) {
    if (statusCode !== 429 && statusCode !== 503) return false;
    this.refused += 1;
    return true;
  }

  /** Follows the events to the last one, or goes away after so long. */
  async stream(id, end, leaveAfterMs = null) {
    const leave = new AbortController();
    const timer = setTimeout(() => leave.abort(), leaveAfterMs ?? 120_000);
    try {
      const { statusCode, body } = await this.streams.request({
        method: 'GET',
        path: `/executions/${id}/events`,
        headers: { accept: 'text/event-stream' },
        signal: leave.signal,
      });
      let received = '';
      for await (const part of body) received += part;
      const last = /event: (\S+)\n(?![\s\S]*event: )/.exec(received)?.[1];
      if (this.#isRefusal(statusCode)) return;
      if (statusCode !== 200 || last !== `execution_${end}`)
        this.ledger.violate('stream', `the events of ${id} are answered ${statusCode} and end with ${last}, not execution_${end}`);
    } catch (error) {
      if (leaveAfterMs === null || !leave.signal.aborted) throw new Error(`the events of ${id}: ${error.message}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(method, path, body, headers = {}) {
    const { statusCode, body: answer } = await this.calls.request({
      method,
      path,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { statusCode, json: await answer.json() };
  }

  #remember(id) {
    this.#recent.push(id);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
  }

  #count(name) {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** Percentiles since this was asked for last, in milliseconds, by kind. */
  takeLatencies() {
    const taken = this.#latencies;
    this.#latencies = {};
    return Object.fromEntries(
      Object.entries(taken).map(([name, values]) => [
        name,
        { count: values.length, p50: quantile(values, 0.5), p95: quantile(values, 0.95), p99: quantile(values, 0.99) },
      ]),
    );
  }
}

const weightsOf = (entries) => Object.fromEntries(Object.entries(entries).map(([name, { weight }]) => [name, weight]));
