import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

/** The real PostgreSQL of a run, reached by the checker directly, by the nodes through fault proxies. */
export class Database {
  #process;
  #folder;

  constructor(child, folder, url) {
    this.#process = child;
    this.#folder = folder;
    this.url = url;
  }

  /** @param {Record<string, string>} [settings] of the server, beside the usual ones */
  static async start(folder, settings = {}) {
    const program = fileURLToPath(new URL('./database-server.mjs', import.meta.url));
    const child = spawn(process.execPath, ['--no-warnings', program, folder, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'exit').then(() => [JSON.stringify({ error: 'the database server ended at once' })]),
    ]);
    const { url, error } = JSON.parse(line);
    if (error !== undefined) throw new Error(error);
    return new Database(child, folder, url);
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Ends the server: SIGINT is a fast shutdown, SIGQUIT an immediate one, SIGKILL a crash of the postmaster alone. It comes back by itself. @returns its process id */
  end(signal) {
    const postmaster = this.#postmaster();
    process.kill(postmaster, signal);
    return postmaster;
  }

  /** A crash of the whole: the postmaster and every process of it. @returns its process id */
  crash() {
    const postmaster = this.#postmaster();
    const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    for (const pid of [postmaster, ...children]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
    return postmaster;
  }

  /** Resolves once another postmaster than `former` accepts sessions, within some 50 ms. */
  async acceptsAgain(former) {
    for (const until = performance.now() + 120_000; performance.now() < until; await sleep(50)) {
      try {
        if (this.#postmaster() === former) continue;
        await this.read('SELECT 1');
        return;
      } catch {
        // Not yet.
      }
    }
    throw new Error('the database is not back within 120 s');
  }

  /** What PostgreSQL calls the data directory. */
  get data() {
    return join(this.#folder, 'postgres', 'data');
  }

  #postmaster() {
    return Number(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  /** Reads; the session can do nothing else. Throws while the database is away. */
  async read(text, values = []) {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'chaos',
      connectionTimeoutMillis: 3_000,
      query_timeout: 60_000,
      options: '-c default_transaction_read_only=on',
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query(text, values)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** As `read`, again until the database answers. */
  async readPatiently(text, values = []) {
    for (const until = performance.now() + 120_000; ;) {
      try {
        return await this.read(text, values);
      } catch (error) {
        if (performance.now() > until) throw error;
        await sleep(250);
      }
    }
  }

  /** Resolves once it accepts sessions. */
  async available() {
    await this.readPatiently('SELECT 1');
  }

  async stop() {
    const gone = once(this.#process, 'exit');
    this.#process.stdin.end();
    await gone;
  }
}
