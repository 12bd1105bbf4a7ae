import { setTimeout as sleep } from 'node:timers/promises';
import { FAULTS } from '../../chaos/nemesis/faults.mjs';

/** Replaces the program of all nodes, one node after the other, and back, again and again; it ends with the newer one. */
export class Rolls {
  /** As those of the nemesis. */
  windows = [];
  count = 0;
  stopped = 0;
  killed = 0;
  #ended = false;
  #loop = null;

  /**
   * @param {{ world: object, programs: readonly [string, string], random: import('../../chaos/random.mjs').Random, say: (text: string) => void,
   *   onNewer: () => Promise<void> }} options `programs`: the folders of the older and the newer one; `onNewer`: once the newer one is everywhere
   */
  constructor(options) {
    Object.assign(this, options);
  }

  start() {
    this.#loop = this.#run();
  }

  async #run() {
    for (let newer = true; ; newer = !newer) {
      await this.#pause(this.random.int(4_000, 10_000));
      if (this.#ended && !newer) return; // all have the newer one
      await this.#roll(newer);
      if (this.count === 1) await this.onNewer();
      if (this.#ended && newer) return;
    }
  }

  async #roll(newer) {
    const { world } = this;
    this.say(`all nodes get the ${newer ? 'newer' : 'older'} program, ${world.load.open} executions are open`);
    for (const [index, node] of world.nodes.entries()) {
      node.program = this.programs[newer ? 1 : 0];
      const name = this.count % 3 === 2 ? 'kill_node' : 'deploy';
      const window = { name, node: index, wall: Date.now(), until: Infinity, hit: false };
      this.windows.push(window);
      await world.history.write({ phase: 'invoke', op: 'fault', name, node: index });
      Object.assign(window, await FAULTS[name](world, { node: index }));
      window.until = Date.now();
      await world.history.write({ phase: 'ok', op: 'fault', name, node: index, hit: window.hit });
      if (name === 'deploy') this.stopped += 1;
      else this.killed += 1;
      // Old and new beside each other for a while.
      await this.#pause(this.random.int(500, 4_000));
    }
    this.count += 1;
  }

  async #pause(ms) {
    for (const until = performance.now() + ms; performance.now() < until && !this.#ended;) await sleep(100);
  }

  async stop() {
    this.#ended = true;
    await this.#loop;
    await Promise.all(this.world.nodes.map((node) => node.ready()));
  }
}
