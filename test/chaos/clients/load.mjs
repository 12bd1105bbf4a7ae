import { setTimeout as sleep } from 'node:timers/promises';
import { Playbook } from '../generator/playbook.mjs';
import { Client } from './client.mjs';
import { OPERATIONS, registerPlaybook } from './operations.mjs';

/** Acknowledged executions that reads and cancels choose from. */
const REMEMBERED = 400;
/** While so many executions are open, clients only read and cancel. */
const MAX_OPEN = 300;
const PATHS = 16;
/** The first ones: there is always something to call, also something that fails, and no round is without what is composite. */
const FIRST_SHAPES = [
  ['call', 'pure'],
  ['call', 'fatal'],
  ['each_at_once', 'upsert', 'sub'],
  ['saved', 'sub_each', 'pages'],
  ['each_continued', 'sub_absorbed', 'each'],
];

/** The clients of a run and what they know together. */
export class Load {
  /** Every registered playbook, by `path@version`. */
  playbooks = new Map();
  /** Of these, those that others may call. */
  callable = [];
  /** Ids of acknowledged executions, newest last. */
  recent = [];
  /** Requests under way per node. */
  inFlight = [];
  /** Set by the watch: open executions in the database. */
  open = 0;
  acknowledged = 0;
  unknown = 0;
  /** Of the starts that were sent many times at once. */
  sameStarts = { keys: 0, answers: 0 };
  stopped = false;
  #lastOp = 0;
  #running = [];

  /**
   * @param {{ random: import('../random.mjs').Random, history: import('./history.mjs').History, nodes: readonly { url: string }[], effectUrl: string,
   *   clients: number, weights?: Record<string, number>, only?: readonly string[], known?: (block: string) => boolean, label: string,
   *   ledger?: { url: string, table: string } | null }} options `known`: the blocks that may be in a playbook, where not all may
   */
  constructor(options) {
    Object.assign(this, options);
    /** How many starts have an idempotency key. */
    this.keyed = options.keyed ?? 0.5;
    this.inFlight = this.nodes.map(() => 0);
    this.weights = Object.fromEntries(Object.entries(OPERATIONS).map(([name, { weight }]) => [name, options.weights?.[name] ?? weight]));
  }

  nextOp() {
    this.#lastOp += 1;
    return `${this.label}-${this.#lastOp}`;
  }

  /** A playbook that nobody has registered yet. */
  newPlaybook(path, version, only = this.only) {
    const seed = `${this.random.seed}/${path}@${version}`;
    const { effectUrl, callable, ledger, known } = this;
    return new Playbook({ seed, path, version, effectUrl, only, callable, ledger, known });
  }

  remember(execution) {
    this.recent.push(execution);
    if (this.recent.length > REMEMBERED) this.recent.shift();
  }

  get isFull() {
    return this.open + this.inFlight.reduce((sum, n) => sum + n, 0) > MAX_OPEN;
  }

  /** Registers the first playbooks; they must be accepted. */
  async prepare() {
    const client = new Client(this, 0);
    const first = FIRST_SHAPES.filter((shape) => shape.every((block) => this.known?.(block) ?? true));
    for (let i = 1; i <= PATHS; i++) {
      const playbook = this.newPlaybook(`chaos/${this.label}/p${i}`, '1.0.0', this.only ?? first[i - 1]);
      while (!(await registerPlaybook(client, playbook))) {
        if (this.stopped) return;
        await sleep(200);
      }
      if (playbook.isCallable) this.callable.push(playbook);
    }
    client.close();
  }

  start() {
    this.stopped = false;
    this.#running = Array.from({ length: this.clients }, (_, index) => this.#drive(new Client(this, index + 1)));
  }

  /** No further operation begins; resolves when those under way have ended. */
  async stop() {
    this.stopped = true;
    await Promise.all(this.#running);
  }

  async #drive(client) {
    while (!this.stopped) {
      const name = client.random.weighted(this.weights);
      if (this.thinkMs !== undefined) await sleep(client.random.int(0, 2 * this.thinkMs));
      if (OPERATIONS[name].starts && this.isFull) await sleep(50);
      else await OPERATIONS[name].run(client);
    }
    client.close();
  }
}
