import { appendFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { family, residentMiB } from '../bench/machine.mjs';
import { median } from './statistics.mjs';

export const EVERY_MS = 10_000;
const MEBIBYTE = 1024 * 1024;
/** Keys outlive their executions, for a day, which is longer than most runs: they are live rows, and are looked at apart. */
export const KEYS = 'idempotency_key';

/** Looks at the node, its database and the load every ten seconds, and writes a line of JSON for each look. */
export class Sampler {
  samples = [];
  #stopped = false;
  #loop = null;
  #resident = [];

  /** @param {{ node: object, db: import('pg').Client, load: import('./load.mjs').Load, ledger: import('./ledger.mjs').Ledger, folder: string }} options */
  constructor(options) {
    Object.assign(this, options, { file: join(options.folder, 'samples.jsonl') });
  }

  start() {
    this.begin = performance.now();
    this.#loop = this.#follow();
  }

  async stop() {
    this.#stopped = true;
    await this.#loop;
  }

  async #follow() {
    for (let number = 1; !this.#stopped; number++) {
      while (!this.#stopped && performance.now() - this.begin < number * EVERY_MS) {
        await sleep(500);
        this.#readMemory();
      }
      if (this.#stopped) return;
      try {
        await this.ledger.audit(this.db);
        const sample = await this.#sample();
        this.samples.push(sample);
        appendFileSync(this.file, `${JSON.stringify(sample)}\n`);
      } catch (error) {
        // A node that is gone is told of by itself.
        this.ledger.violate('sample', `the node could not be looked at: ${error.message}`);
      }
    }
  }

  #readMemory() {
    try {
      this.#resident.push(residentMiB(this.node.pid));
    } catch {
      // It has just ended.
    }
  }

  async #sample() {
    const { node, db, load, ledger } = this;
    const { files, sockets } = handlesOf(node.pid);
    const clients = load.connections;
    const resident = this.#resident.splice(0);
    const metrics = await metricsOf(node.url);
    const { rows: tables } = await db.query(
      `SELECT relname AS name, pg_total_relation_size(relid)::float8 AS bytes, n_live_tup::float8 AS live, n_dead_tup::float8 AS dead, n_tup_del::float8 AS deleted
       FROM pg_stat_user_tables`,
    );
    const { rows: sessions } = await db.query(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
    );
    const filled = tables.filter(({ bytes, live, dead, deleted }) => bytes > 65_536 || live + dead + deleted > 0);
    return {
      t: (performance.now() - this.begin) / 3_600_000,
      rssMiB: median(resident) ?? residentMiB(node.pid),
      childrenMiB: family(node.pid)
        .filter((pid) => pid !== node.pid)
        .reduce((sum, pid) => sum + memoryOf(pid), 0),
      memoryMiB: Object.fromEntries(Object.entries(metrics.memory).map(([kind, bytes]) => [kind, bytes / MEBIBYTE])),
      files,
      sockets,
      clients,
      sessions: sessions[0].n,
      sizeMiB: sizeOf(tables, (name) => name !== KEYS),
      keysMiB: sizeOf(tables, (name) => name === KEYS),
      tables: Object.fromEntries(
        filled.map(({ name, bytes, live, dead, deleted }) => [name, { mib: bytes / MEBIBYTE, live, dead, deleted }]),
      ),
      latencies: load.takeLatencies(),
      planned: load.planned,
      accepted: ledger.accepted,
      ended: { ...ledger.ended },
      unaudited: ledger.unaudited,
      notStarted: load.notStarted,
      refused: load.refused,
      inFlight: load.inFlight,
      followers: load.followers,
      metrics: metrics.others,
    };
  }
}

const sizeOf = (tables, chosen) => tables.filter(({ name }) => chosen(name)).reduce((sum, { bytes }) => sum + bytes, 0) / MEBIBYTE;

function memoryOf(pid) {
  try {
    return residentMiB(pid);
  } catch {
    return 0; // ended between the two reads
  }
}

/** What the process has open: sockets, and all else (files, pipes, timers of the kernel). */
function handlesOf(pid) {
  let [files, sockets] = [0, 0];
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${name}`).startsWith('socket:')) sockets += 1;
      else files += 1;
    } catch {
      // closed between the two reads
    }
  }
  return { files, sockets };
}

/** The node's own figures: memory by kind in bytes, and everything else that is one number. */
async function metricsOf(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const [memory, others] = [{}, {}];
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^showrunner_(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || /_bucket$/.test(name) || name.startsWith('http_')) continue;
    const label = /="(.*)"/.exec(labels)?.[1];
    if (name === 'memory_bytes') memory[label] = Number(value);
    else others[label === undefined ? name : `${name}_${label}`] = Number(value);
  }
  return { memory, others };
}
