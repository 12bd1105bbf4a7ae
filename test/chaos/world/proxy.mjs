import { connect, createServer } from 'node:net';
import { Frames } from './frames.mjs';

/**
 * A TCP proxy between one node and the database. It knows enough of the protocol to hit the statement that matters: the batch of the writer,
 * which is a transaction of its own, so that its reply is the reply to a COMMIT.
 */
export class FaultProxy {
  #target;
  #server;
  #links = new Set();
  #cuts = [];
  #latencyMs = 0;
  #bytesPerSecond = Infinity;
  #holding = false;
  /** Batches cut so far, by kind. */
  cut = { request: 0, middle: 0, reply: 0 };
  /** Called for each batch that was cut. */
  onCut = () => undefined;

  /** @param {number} port of the database on this machine */
  static async before(port) {
    const proxy = new FaultProxy();
    proxy.#target = port;
    proxy.#server = createServer((client) => proxy.#join(client));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port() {
    return this.#server.address().port;
  }

  get connections() {
    return this.#links.size;
  }

  /** request: the next batch never reaches the server; middle: it does, and the connection goes at once; reply: it is stored, its answer is lost. */
  armCut(kind) {
    this.#cuts.push(kind);
  }

  disarm() {
    this.#cuts = [];
  }

  /** Ends every connection, politely or by a reset. @returns how many */
  endAll(how) {
    const ended = this.#links.size;
    for (const link of [...this.#links]) link.end(how);
    return ended;
  }

  set latencyMs(ms) {
    this.#latencyMs = ms;
  }

  get latencyMs() {
    return this.#latencyMs;
  }

  /** How much gets through per connection and direction; Infinity where it is not held back. */
  set bytesPerSecond(bytes) {
    this.#bytesPerSecond = bytes;
    if (bytes === Infinity) for (const link of this.#links) link.hurry();
  }

  get bytesPerSecond() {
    return this.#bytesPerSecond;
  }

  /** From now on nothing gets through, and nobody is told. */
  hold() {
    this.#holding = true;
  }

  /** Ends a hold: what was on its way arrives after all, or every connection is reset. */
  release(how) {
    this.#holding = false;
    if (how === 'reset') this.endAll('reset');
    for (const link of this.#links) link.pump();
  }

  get holding() {
    return this.#holding;
  }

  nextCut() {
    return this.#cuts.shift();
  }

  #join(client) {
    const link = new Link(this, client, connect(this.#target, '127.0.0.1'), () => this.#links.delete(link));
    this.#links.add(link);
  }

  async close() {
    this.endAll('reset');
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One connection through the proxy. */
class Link {
  #ended = false;
  /** A batch whose reply is to be lost is under way. */
  #losing = false;

  constructor(proxy, client, upstream, gone) {
    Object.assign(this, { proxy, client, upstream, gone });
    this.requests = new Queue(proxy, upstream);
    this.replies = new Queue(proxy, client);
    const fromClient = new Frames(true);
    const fromServer = new Frames(false);
    client.on('data', (chunk) => {
      const hasBatch = fromClient.read(chunk).some((frame) => frame.type === 'B' && frame.statement.startsWith('batch'));
      const cut = hasBatch ? proxy.nextCut() : undefined;
      if (cut !== undefined) proxy.cut[cut] += 1;
      if (cut !== undefined) proxy.onCut(cut);
      if (cut === 'request') return this.end('reset');
      if (cut === 'reply') this.#losing = true;
      if (cut === 'middle') upstream.write(chunk, () => this.end('reset'));
      else this.requests.push(chunk);
    });
    upstream.on('data', (chunk) => {
      const frames = fromServer.read(chunk);
      if (!this.#losing) return this.replies.push(chunk);
      // ReadyForQuery: by now the transaction is committed.
      if (frames.some(({ type }) => type === 'Z')) this.end('reset');
    });
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.end('reset'));
      socket.on('close', () => this.end('close'));
    }
  }

  pump() {
    this.requests.pump();
    this.replies.pump();
  }

  hurry() {
    this.requests.hurry();
    this.replies.hurry();
  }

  end(how) {
    if (this.#ended) return;
    this.#ended = true;
    this.gone();
    // What is held back by a black hole must not be heard of either; else what is on its way still arrives.
    for (const [queue, socket] of [
      [this.requests, this.upstream],
      [this.replies, this.client],
    ]) {
      queue.stop(how === 'close' && !this.proxy.holding);
      if (how === 'reset') socket.resetAndDestroy();
      else socket.end();
    }
  }
}

/** What is on its way in one direction, in order. */
class Queue {
  #chunks = [];
  #timer = null;
  #stopped = false;

  constructor(proxy, to) {
    this.proxy = proxy;
    this.to = to;
  }

  push(chunk) {
    if (this.#stopped) return;
    const { proxy } = this;
    const isFree = proxy.latencyMs === 0 && proxy.bytesPerSecond === Infinity && !proxy.holding;
    if (this.#chunks.length === 0 && isFree) return void this.to.write(chunk);
    const begins = Math.max(performance.now() + proxy.latencyMs, this.#chunks.at(-1)?.due ?? 0);
    this.#chunks.push({ due: begins + (chunk.length / proxy.bytesPerSecond) * 1_000, chunk });
    this.pump();
  }

  /** What was held back by a slow line is held back no longer. */
  hurry() {
    clearTimeout(this.#timer);
    this.#timer = null;
    for (const waiting of this.#chunks) waiting.due = 0;
    this.pump();
  }

  pump() {
    if (this.proxy.holding || this.#timer !== null) return;
    for (let first = this.#chunks[0]; first !== undefined; first = this.#chunks[0]) {
      const left = first.due - performance.now();
      if (left > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = null;
          this.pump();
        }, left);
        return;
      }
      this.to.write(this.#chunks.shift().chunk);
    }
  }

  stop(deliver) {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (deliver) for (const { chunk } of this.#chunks) this.to.write(chunk);
    this.#chunks = [];
    this.#timer = null;
  }
}
