import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEnvironment, startFlags } from '../../support/start-command.mjs';
import { Http } from '../http.mjs';
import { holderOf } from './holder.mjs';

const READY_WITHIN_MS = 120_000;
const ALARM = /unhandled|uncaught|FATAL ERROR|MaxListenersExceeded|"level":"(error|fatal)"/i;
/** Whether faults explain that is checked for each execution. */
const POISON = '"msg":"an execution is ended as poison"';
const LOST_CONNECTION = /terminating connection|Connection terminated|ECONN|timeout expired|Query read timeout|the database system is/;

/** One node: the built program as a process, started again whenever it has ended, on the same port. */
export class ServiceNode {
  /** Ends that nobody asked for: code, signal, and the end of what the process said. */
  unexpectedEnds = [];
  /** Resident memory seen, in MiB, at its highest. */
  peakRss = 0;
  starts = 0;
  #child = null;
  #expected = false;
  #closed = false;
  #watching = null;

  /**
   * @param {{ index: number, port: number, folder: string, program: string, env: Record<string, string>, nextEnv: () => Record<string, string>,
   *   command?: readonly string[] }} options `nextEnv`: asked at every start for what is special this time; `command`: what its command begins with
   */
  constructor(options) {
    Object.assign(this, { command: [], ...options });
    this.url = `http://127.0.0.1:${this.port}`;
    this.log = join(this.folder, `node-${this.index}.log`);
    this.http = new Http(this.url);
    mkdirSync(join(this.folder, `data-${this.index}`), { recursive: true });
  }

  get pid() {
    return this.#child?.pid ?? null;
  }

  /** How the lease tokens of its process end; null while there is none. */
  get holder() {
    return this.pid === null ? null : holderOf(this.index, this.pid);
  }

  get isUp() {
    return this.#child !== null;
  }

  /** Starts it and keeps it up until `close`. */
  start() {
    this.#watching = this.#keepUp();
  }

  async #keepUp() {
    while (!this.#closed) {
      const before = existsSync(this.log) ? statSync(this.log).size : 0;
      const output = openSync(this.log, 'a');
      const special = this.nextEnv();
      this.#expected = false;
      const [command, ...args] = [...this.command, process.execPath, ...startFlags, join(this.program, 'dist', 'src', 'main.js')];
      this.#child = spawn(command, args, {
        cwd: this.program,
        env: {
          PATH: process.env.PATH,
          ...startEnvironment,
          PORT: String(this.port),
          LOG_LEVEL: 'warn',
          DATA_DIR: join(this.folder, `data-${this.index}`),
          ...this.env,
          ...special,
        },
        stdio: ['pipe', output, output],
      });
      this.starts += 1;
      const child = this.#child;
      const [code, signal] = await once(child, 'exit');
      closeSync(output);
      this.#child = null;
      // A database that is away at the start is a reason to end; a planned exit ends by SIGKILL.
      const planned = special.CHAOS_POINT !== undefined && signal === 'SIGKILL';
      if (!this.#expected && !planned) {
        const wasReady = readFileSync(this.log).subarray(before).includes('Showrunner is ready');
        this.unexpectedEnds.push({ node: this.index, wall: Date.now(), code, signal, wasReady, output: this.tail(20) });
      }
      if (!this.#closed) await sleep(this.restartAfterMs ?? 300);
    }
  }

  /** Sends a signal that ends the process, and waits until it is gone. @returns its exit code and signal, null where it was not up */
  async end(signal, restartAfterMs = 300) {
    if (this.#child === null) return null;
    this.#expected = true;
    this.restartAfterMs = restartAfterMs;
    // Others may be ending it at the same time.
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    const [code, endedBy] = await gone;
    return { code, signal: endedBy };
  }

  /** SIGSTOP or SIGCONT. @returns whether there was a process */
  signal(signal) {
    return this.#child?.kill(signal) ?? false;
  }

  /** Resolves once it is ready to serve. */
  async ready() {
    for (const until = performance.now() + READY_WITHIN_MS; performance.now() < until; await sleep(100)) {
      const answer = await this.http.send('GET', '/health/ready', { timeoutMs: 2_000 }).catch(() => null);
      if (answer?.status === 200) return;
    }
    throw new Error(`node ${this.index} is not ready within ${READY_WITHIN_MS / 1000} s:\n${this.tail(30)}`);
  }

  /** Notes how much memory it has now. */
  sampleMemory() {
    if (this.pid === null) return;
    try {
      const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
      if (rss !== null) this.peakRss = Math.max(this.peakRss, Math.round(Number(rss[1]) / 1024));
    } catch {
      // It has just ended.
    }
  }

  tail(lines) {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines);
  }

  /** Lines of its output that no healthy process writes. Refusals are in the history; that a connection was lost is no fault of the service. */
  alarms() {
    return readFileSync(this.log, 'utf8')
      .split('\n')
      .filter((line) => ALARM.test(line) && !line.includes('"msg":"request"') && !line.includes(POISON) && !LOST_CONNECTION.test(line));
  }

  async close() {
    this.#closed = true;
    this.signal('SIGCONT');
    this.#expected = true;
    const child = this.#child;
    if (child !== null) {
      child.kill('SIGTERM');
      await Promise.race([once(child, 'exit'), sleep(28_000)]);
      child.kill('SIGKILL');
    }
    await this.#watching;
    this.http.close();
  }
}
