import { type ServerResponse } from 'node:http';

/** Resolves once a client has taken what it was sent so far, as far as nothing but buffers holds it, or is gone. */
export function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain) return Promise.resolve();
  return new Promise((done) => {
    const settle = (): void => {
      response.off('drain', settle).off('close', settle);
      done();
    };
    response.once('drain', settle).once('close', settle);
  });
}

/**
 * Closes the connection of a client that takes nothing of its answer for so long: all that it does not take stays in memory. Node has no such limit, and
 * what bounds requests in work knows nothing of an answer that is under way.
 */
export function leaveWhoDoesNotRead(response: ServerResponse, patienceMs: number): void {
  response.setTimeout(patienceMs, () => {
    const { socket } = response;
    if (socket && socket.writableLength > 0) socket.destroy();
  });
}
