import { Agent, request } from 'node:http';

/** @typedef {{ status: number, headers: Record<string, string>, json: any }} Answer */

/** The other side has said for certain that nothing of the request was received. */
export class NotSent extends Error {}
/** Nobody knows what became of the request. */
export class NoAnswer extends Error {}

/** How the reason of a NoAnswer begins where the request crossed the closing of an idle connection. */
export const CROSSED = 'crossed the closing of a kept connection';

/** A plain client with a connection pool of its own: one per client and node, as callers have. */
export class Http {
  #agent = new Agent({ keepAlive: true });

  constructor(baseUrl) {
    this.baseUrl = baseUrl;
  }

  /** @returns {Promise<Answer>} Throws NotSent or NoAnswer. */
  send(method, path, { body, headers = {}, timeoutMs = 10_000 } = {}) {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const type = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      let answered = false;
      const outgoing = request(`${this.baseUrl}${path}`, { method, agent: this.#agent, headers: { ...type, ...headers } }, (response) => {
        answered = true;
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => (received += chunk));
        response.on('error', (error) => fail(error));
        response.on('end', () => {
          clearTimeout(timer);
          try {
            resolve({ status: response.statusCode, headers: response.headers, json: received === '' ? null : JSON.parse(received) });
          } catch {
            reject(new NoAnswer('half an answer'));
          }
        });
      });
      const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      const fail = (error) => {
        clearTimeout(timer);
        // The server closed a connection that it saw idle while the request was on its way: HTTP/1.1 cannot tell that from an accepted one.
        const crossed = outgoing.reusedSocket && !answered && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        reject(
          error.code === 'ECONNREFUSED' || error.syscall === 'connect'
            ? new NotSent(error.message)
            : new NoAnswer(crossed ? `${CROSSED} (${error.message})` : error.message),
        );
      };
      outgoing.on('error', fail);
      outgoing.end(text);
    });
  }

  close() {
    this.#agent.destroy();
  }
}
