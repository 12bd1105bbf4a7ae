import { setTimeout as sleep } from 'node:timers/promises';

const ASK_EVERY_MS = 100;
const UP_WITHIN_MS = 120_000;

/** When which node was ready: asked ten times a second, and told when one is ended. */
export class Uptime {
  #spans = new Map();
  /** How often each was ended. */
  #downs = new Map();
  #stopped = false;
  #asking;

  constructor(nodes) {
    for (const node of nodes) this.#spans.set(node, [{ from: Date.now(), to: Infinity }]);
    this.#asking = Promise.all(nodes.map((node) => this.#ask(node)));
  }

  async #ask(node) {
    for (; !this.#stopped; await sleep(ASK_EVERY_MS)) {
      if (this.isUp(node) || !node.isUp) continue;
      const since = this.#downs.get(node) ?? 0;
      const answer = await node.http.send('GET', '/health/ready', { timeoutMs: 1_000 }).catch(() => null);
      // The answer may be of a process that was told to end meanwhile.
      if (answer?.status === 200 && since === (this.#downs.get(node) ?? 0)) this.#spans.get(node).push({ from: Date.now(), to: Infinity });
    }
  }

  isUp(node) {
    return this.#spans.get(node).at(-1).to === Infinity;
  }

  /** Resolves once every node is ready at the same time. */
  async allUp() {
    const until = performance.now() + UP_WITHIN_MS;
    while (![...this.#spans.keys()].every((node) => this.isUp(node))) {
      if (performance.now() > until) throw new Error(`a node is not back within ${UP_WITHIN_MS / 1000} s`);
      await sleep(ASK_EVERY_MS / 2);
    }
  }

  /** It is being ended now. */
  down(node) {
    this.#spans.get(node).at(-1).to = Math.min(Date.now(), this.#spans.get(node).at(-1).to);
    this.#downs.set(node, (this.#downs.get(node) ?? 0) + 1);
  }

  anyUp(time) {
    return this.#all().some(({ from, to }) => from <= time && time < to);
  }

  /** The first moment from `time` on at which a node was ready. */
  upAfter(time) {
    return Math.min(...this.#all().map(({ from, to }) => (to <= time ? Infinity : Math.max(from, time))));
  }

  noneUpMs(from, to) {
    let [at, none] = [from, 0];
    while (at < to) {
      const up = Math.min(this.upAfter(at), to);
      none += up - at;
      at = Math.max(up, ...this.#all().flatMap((span) => (span.from <= up && up < span.to ? [span.to] : [])));
    }
    return none;
  }

  #all() {
    return [...this.#spans.values()].flat();
  }

  async stop() {
    this.#stopped = true;
    await this.#asking;
  }
}
