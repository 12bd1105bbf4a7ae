/**
 * As little HTTP/1.1 (RFC 9112) as a measurement needs: kept connections, one request at a time on each, bodies with a length. What measures shares
 * two cores with what is measured, so it must cost next to nothing; anything it does not know ends the measurement instead of bending it.
 */
import net from 'node:net';

const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\ncontent-length: *(\d+)/i;

/** A message, once all of it is there. @returns {head, body, end} with `end` the offset behind it; null: more is to come */
function messageIn(bytes) {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return null;
  const head = bytes.latin1Slice(0, headEnd);
  if (/\r\ntransfer-encoding:/i.test(head)) throw new Error(`a body without a length: ${head}`);
  const from = headEnd + HEAD_END.length;
  const end = from + Number(LENGTH.exec(head)?.[1] ?? 0);
  return bytes.length < end ? null : { head, body: bytes.subarray(from, end), end };
}

/** The bytes of a request that can be sent any number of times. @param headers name -> value */
export function encodeRequest({ method, path, headers = {}, body = '' }) {
  const lines = Object.entries({ host: 'bench', ...headers, 'content-length': Buffer.byteLength(body) });
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}`).join('\r\n')}${HEAD_END}${body}`);
}

/** One connection with one request at a time; where it is lost, the next request has a new one. */
export class WireClient {
  #address;
  #socket = null;
  #received = null;
  #waiting = null;

  /** @param url http address of a server */
  constructor(url) {
    const { hostname, port } = new URL(url);
    this.#address = { host: hostname, port: Number(port), noDelay: true };
  }

  /** Sends what encodeRequest made. @returns {status, body}, the body as bytes */
  request(bytes) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket ??= this.#connect();
      this.#socket.write(bytes);
    });
  }

  #connect() {
    const socket = net.connect(this.#address);
    this.#received = null;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#settle('reject', new Error('the connection was closed'));
    });
    return socket;
  }

  close() {
    this.#socket?.destroy();
  }

  #receive(bytes) {
    this.#received = this.#received === null ? bytes : Buffer.concat([this.#received, bytes]);
    try {
      const message = messageIn(this.#received);
      if (message === null) return;
      if (message.end !== this.#received.length) throw new Error('more than one answer');
      this.#received = null;
      this.#settle('resolve', { status: Number(message.head.slice(9, 12)), body: message.body });
    } catch (error) {
      this.#settle('reject', error);
      this.#socket.destroy();
    }
  }

  #settle(how, outcome) {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.[how](outcome);
  }
}

/** A server that gives every request the same answer at once. @returns {Promise<number>} its port */
export function answerAll(type, body) {
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}${HEAD_END}${body}`);
  const server = net.createServer({ noDelay: true }, (socket) => {
    let received = null;
    socket.on('data', (bytes) => {
      received = received === null ? bytes : Buffer.concat([received, bytes]);
      try {
        for (let message = messageIn(received); message !== null; message = received && messageIn(received)) {
          received = message.end === received.length ? null : received.subarray(message.end);
          socket.write(answer);
        }
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
  });
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(server.address().port)));
}
