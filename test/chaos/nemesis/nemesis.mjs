import { setTimeout as sleep } from 'node:timers/promises';
import { drawFault, FAULTS } from './faults.mjs';

const HEAL_WITHIN_MS = 180_000;

/** A fault that does not come to its end is a fault of the checker, or a node that does not come back. */
async function within(ms, work, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over within ${ms / 1000} s: ${what().join(', ')}`)), ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Does harm on a seeded schedule; what it did is in the history. */
export class Nemesis {
  /** Every fault so far: what it was, from when to when (epoch milliseconds), and whether it hit live work. */
  windows = [];
  #stopped = false;
  #running = [];
  #active = new Set();
  #loop = null;
  #deck = [];

  /** @param {object} world nodes, proxies, database, load, history, random, leaseMs, stalls, short @param {import('./decks.mjs').Deck} deck */
  constructor(world, deck) {
    this.world = world;
    this.deck = deck;
  }

  start() {
    this.#stopped = false;
    this.#loop = this.#run();
  }

  async #run() {
    const { random } = this.world;
    while (!this.#stopped && this.deck.faults.length > 0) {
      await sleep(random.int(...this.deck.gapMs));
      if (this.#stopped) return;
      if (this.#deck.length === 0) this.#deck = random.shuffled(this.deck.faults);
      const fault = this.#inflict(this.#deck.pop());
      this.#running.push(fault);
      const { atOnce } = this.deck;
      if (atOnce !== undefined) {
        this.#active.add(fault);
        void fault.then(() => this.#active.delete(fault));
        while (this.#active.size >= atOnce) await Promise.race(this.#active);
      }
      // Some faults overlap with the next ones.
      else if (!this.deck.overlap && !random.chance(0.4)) await fault;
    }
  }

  async #inflict(name) {
    const { world } = this;
    const [kind, details] = drawFault(name, world.random, world.nodes.length, world.short);
    const window = { name, ...details, wall: Date.now(), until: Infinity, hit: false };
    this.windows.push(window);
    await world.history.write({ phase: 'invoke', op: 'fault', name, ...details });
    try {
      Object.assign(window, await FAULTS[kind](world, details));
    } catch (error) {
      window.error = error.message;
    }
    window.until = Date.now();
    await world.history.write({ phase: 'ok', op: 'fault', name, ...details, hit: window.hit, error: window.error ?? null });
  }

  /** Ends the harm: resolves once every fault is over and healed. */
  async stop() {
    this.#stopped = true;
    await this.#loop;
    await within(HEAL_WITHIN_MS, Promise.all(this.#running), () =>
      this.windows.filter(({ until }) => until === Infinity).map(({ name }) => name),
    );
    this.#running = [];
    for (const proxy of this.world.proxies) {
      proxy.disarm();
      proxy.latencyMs = 0;
      proxy.bytesPerSecond = Infinity;
      if (proxy.holding) proxy.release('deliver');
    }
    for (const node of this.world.nodes) node.signal('SIGCONT');
    await this.world.database.available();
    await Promise.all(this.world.nodes.map((node) => node.ready()));
  }
}
