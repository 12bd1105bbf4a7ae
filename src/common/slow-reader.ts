import { type ServerResponse } from 'node:http';

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
