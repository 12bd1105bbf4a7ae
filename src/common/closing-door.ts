import { type Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/** At most so long a node that stops waits for a moment in which nobody is at the door, in milliseconds. */
const WAITING_CONNECTIONS_MS = 5_000;
/** How long a connection may take to send its request after it was made, when the node stops. */
const UNREAD_CONNECTIONS_MS = 2_000;
/**
 * How long kept connections stay after the listening socket was closed: whoever uses one within that time is answered, and told that it ends. One that is
 * closed just when its next request is on its way looks to its client as if the request may have been taken.
 */
const KEPT_CONNECTIONS_MS = 1_000;
/** Turns of the event loop, one after the other, that found nobody; the first may be one that did not look. */
const QUIET_TURNS = 3;
/** A turn that did other work for longer says little about who came meanwhile. */
const SHORT_TURN_MS = 0.05;
/** After each such time of waiting a turn may take as much longer again: a slow machine has no shorter ones. */
const SHORT_TURN_GROWS_MS = 500;
const LOOK_AGAIN_MS = 10;

/**
 * Closes the listening socket of a server so that nobody is cut off who was let in, or stands at the door (T14). The kernel resets connections that it
 * has made and that the process has not yet taken where the socket is closed; and the server's own close ends connections from which it has read
 * nothing, also where a request is on its way.
 */
export class ClosingDoor {
  private readonly open = new Set<Socket>();
  /** Those of them that have not sent a request yet. */
  private readonly unread = new Set<Socket>();

  /** To be made before the server listens. */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.open.add(socket);
      this.unread.add(socket);
      socket.once('close', () => {
        this.open.delete(socket);
        this.unread.delete(socket);
      });
    });
    server.on('request', ({ socket }) => this.unread.delete(socket));
  }

  /** Takes no new connections; resolves once those that were made, or kept, are gone or had the time to say what they want. What is under way goes on. */
  async close(): Promise<void> {
    await this.closeWhenNobodyComes();
    const since = performance.now();
    const waits = (): boolean => {
      const ms = performance.now() - since;
      return (this.unread.size > 0 && ms < UNREAD_CONNECTIONS_MS) || (this.open.size > 0 && ms < KEPT_CONNECTIONS_MS);
    };
    while (waits()) await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
  }

  /**
   * Closes right after the event loop has looked for connections, found none, and had nothing else to do: then hardly any time has passed in which
   * one could have been made. A turn takes one connection. Those who come meanwhile hear that the node is stopping.
   */
  private closeWhenNobodyComes(): Promise<void> {
    // Code that runs for the first time takes longer than all the rest between the last look and the close.
    closeListening(new NetServer());
    const { server } = this;
    let came = 0;
    const count = (): void => void (came += 1);
    server.on('connection', count);
    const since = performance.now();
    let quiet = 0;
    let lastLook = since;
    return new Promise((closed) => {
      const look = (): void => {
        const now = performance.now();
        const waited = now - since;
        const isQuiet = came === 0 && now - lastLook < SHORT_TURN_MS * (1 + waited / SHORT_TURN_GROWS_MS);
        quiet = isQuiet ? quiet + 1 : 0;
        came = 0;
        lastLook = now;
        if (quiet < QUIET_TURNS && waited < WAITING_CONNECTIONS_MS) return void setImmediate(look);
        closeListening(server);
        server.off('connection', count);
        closed();
      };
      setImmediate(look);
    });
  }
}

/** The listening socket alone: the server's own close ends connections besides. */
function closeListening(server: NetServer): void {
  NetServer.prototype.close.call(server);
}
