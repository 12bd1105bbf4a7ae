import { setTimeout as sleep } from 'node:timers/promises';
import { documentOf } from '../poison/playbooks.mjs';
import { register } from '../start.mjs';

const EVERY_MS = 100;
const ASK_AGAIN_MS = 20;
const PATH = 'trial/at-once';

/** Starts that are due ten times a second: how long each waited until some node had acknowledged it. */
export class Availability {
  /** Milliseconds. */
  waits = [];
  #stopped = false;
  #asking = [];

  static async begin(nodes) {
    const availability = new Availability();
    availability.nodes = nodes;
    await register(nodes[0], documentOf(PATH, [{ step: 'start', next: 'end' }, { step: 'end' }]));
    availability.loop = availability.#run();
    return availability;
  }

  async #run() {
    for (let n = 0, due = performance.now(); !this.#stopped; n++, due += EVERY_MS) {
      await sleep(Math.max(0, due - performance.now()));
      this.#asking.push(this.#start(n));
    }
  }

  /** As a client behind a load balancer: what one node does not take goes to the other, as the same start. */
  async #start(n) {
    const since = performance.now();
    for (let tries = 0; ; tries++) {
      const answer = await this.nodes[(n + tries) % this.nodes.length].http
        .send('POST', '/execute', { body: { path: PATH }, headers: { 'idempotency-key': `at-once-${n}` }, timeoutMs: 5_000 })
        .catch(() => null);
      if (answer?.status === 202 || answer?.status === 200) break;
      await sleep(ASK_AGAIN_MS);
    }
    this.waits.push(performance.now() - since);
  }

  async stop() {
    this.#stopped = true;
    await this.loop;
    await Promise.all(this.#asking);
  }
}
