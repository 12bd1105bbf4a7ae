import { type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

/** A client that has not seen the refusal after so much, or that has sent nothing for so long, does not look for it. */
const MOST_BYTES = 64 * 1024 * 1024;
const IDLE_MS = 5_000;
const LONGEST_MS = 30_000;

/**
 * Lets an answer arrive that ends the connection before the whole body has come: where a socket is closed with unread bytes in it, TCP resets the
 * connection, and the client may lose what it was sent (RFC 9112 §9.6). So only the sending side is closed at first, and what still comes is read and
 * thrown away, for a while. Does nothing where the connection goes on, or nothing more is to come.
 */
export function lingerBeforeClose(request: IncomingMessage): void {
  const { socket } = request;
  // Requests that were injected have none.
  if (!(socket instanceof Socket)) return;
  const close = socket.destroySoon.bind(socket);
  // This is how the server of Node closes after the last answer.
  socket.destroySoon = () => {
    if (request.complete || socket.destroyed) return close();
    socket.end();
    request.resume();
    const enough = socket.bytesRead + MOST_BYTES;
    const until = performance.now() + LONGEST_MS;
    let seen = socket.bytesRead;
    const isOver = (): boolean => {
      const silent = socket.bytesRead === seen;
      seen = socket.bytesRead;
      return silent || seen > enough || performance.now() > until;
    };
    const looking = setInterval(() => isOver() && socket.destroy(), IDLE_MS);
    request.on('data', () => socket.bytesRead > enough && socket.destroy());
    request.once('end', close);
    socket.once('close', () => clearInterval(looking));
  };
}
