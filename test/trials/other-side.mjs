import { createServer } from 'node:http';

const CHUNK = 64 * 1024;
const letters = Buffer.alloc(CHUNK, 'abcdefghijklmnop');

/**
 * What steps call: answers `?ms=` milliseconds later with a JSON object of `?bytes=` bytes, or of a few. A large answer is sent piece by piece, so that
 * this side needs no memory for it.
 */
export class OtherSide {
  #server;

  static async start() {
    const side = new OtherSide();
    side.#server = createServer({ keepAliveTimeout: 3_600_000, requestTimeout: 0 }, (request, response) => {
      request.resume();
      const asked = new URL(request.url, 'http://here').searchParams;
      setTimeout(() => answer(response, Number(asked.get('bytes') ?? 0)), Number(asked.get('ms') ?? 0));
    });
    await new Promise((resolve) => side.#server.listen(0, '127.0.0.1', resolve));
    return side;
  }

  get address() {
    return `127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

async function answer(response, bytes) {
  const [head, tail] = ['{"pad":"', '"}'];
  let left = Math.max(0, bytes - head.length - tail.length);
  response.on('error', () => undefined);
  const closed = new Promise((resolve) => response.once('close', resolve));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': head.length + left + tail.length });
  response.write(head);
  while (left > 0 && !response.destroyed) {
    const part = letters.subarray(0, Math.min(left, CHUNK));
    left -= part.length;
    if (!response.write(part)) await Promise.race([closed, new Promise((resolve) => response.once('drain', resolve))]);
  }
  response.end(tail);
}
