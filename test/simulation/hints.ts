import { type SimulatedNode } from './simulated-node.js';
import { type World } from './world.js';

type Handler = (payload: string) => void;

/** LISTEN and NOTIFY as far as storage relies on them, which is not at all: hints come late, twice or never (D10). */
export class Hints {
  private readonly listeners: { readonly node: SimulatedNode; readonly channel: string; readonly handler: Handler }[] = [];

  constructor(private readonly world: World) {}

  /** What a node sees of it. */
  of(node: SimulatedNode): {
    listen(channel: string, handler: Handler): () => void;
    notify(channel: string, payload: string): void;
    onReconnect(): () => void;
  } {
    return {
      listen: (channel, handler) => {
        const entry = { node, channel, handler };
        this.listeners.push(entry);
        return () => this.listeners.splice(this.listeners.indexOf(entry), 1);
      },
      notify: (channel, payload) => this.notify(node, channel, payload),
      onReconnect: () => () => undefined,
    };
  }

  /** A node's life is over. */
  forget(node: SimulatedNode): void {
    for (const entry of this.listeners.filter((each) => each.node === node)) this.listeners.splice(this.listeners.indexOf(entry), 1);
  }

  private notify(from: SimulatedNode, channel: string, payload: string): void {
    const { scheduler, random, server } = this.world;
    if (from.network.isCut || !server.isUp) return;
    for (const { node, channel: heard, handler } of this.listeners) {
      if (heard !== channel || node.network.isCut) continue;
      const times = random.weighted([
        [8, 1],
        [1, 0],
        [1, 2],
      ]);
      for (let time = 0; time < times; time++) scheduler.after(random.next() * 30, node.process, () => handler(payload));
    }
  }
}
