import { type Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/** At most so long a node that stops waits for a moment in which nobody is at the door, in milliseconds. */
const WAITING_CONNECTIONS_MS = 5_000;
/** How long a connection may take to send its request after it was made, when the node stops. */
const UNREAD_CONNECTIONS_MS = 2_000;
/** Turns of the event loop, one after the other, that found nobody; the first may be one that did not look. */
const QUIET_TURNS = 2;
/** A turn that did other work for longer says little about who came meanwhile. */
const SHORT_TURN_MS = 0.5;
const LOOK_AGAIN_MS = 10;

/**
 * Closes the listening socket of a server so that nobody is cut off who was let in, or stands at the door (T14). The kernel resets connections that it
 * has made and that the process has not yet taken where the socket is closed; and the server's own close ends connections from which it has read
 * nothing, also where a request is on its way.
 */
export class ClosingDoor {
  /** Connections that have not sent a request yet. */
  private readonly unread = new Set<Socket>();

  /** To be made before the server listens. */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.unread.add(socket);
      socket.once('close', () => this.unread.delete(socket));
    });
    server.on('request', ({ socket }) => this.unread.delete(socket));
  }

  /** Takes no new connections; resolves once those that were made have said what they want, or had the time to. What is under way goes on. */
  async close(): Promise<void> {
    await this.untilNobodyComes();
    NetServer.prototype.close.call(this.server);
    const until = performance.now() + UNREAD_CONNECTIONS_MS;
    while (this.unread.size > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
  }

  /**
   * Resolves right after the event loop has looked for connections, found none, and had nothing else to do: then hardly any time has passed in which
   * one could have been made. A turn takes one connection. Those who come meanwhile hear that the node is stopping.
   */
  private async untilNobodyComes(): Promise<void> {
    let came = 0;
    const count = (): void => void (came += 1);
    this.server.on('connection', count);
    const until = performance.now() + WAITING_CONNECTIONS_MS;
    for (let quiet = 0, now = performance.now(); quiet < QUIET_TURNS && now < until;) {
      came = 0;
      await new Promise((turned) => setImmediate(turned));
      const turnMs = performance.now() - now;
      now += turnMs;
      quiet = came === 0 && turnMs < SHORT_TURN_MS ? quiet + 1 : 0;
    }
    this.server.off('connection', count);
  }
}
