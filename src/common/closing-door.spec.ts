import { createServer, type Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import { ClosingDoor } from './closing-door.js';

describe(ClosingDoor.name, () => {
  const { setImmediate: later } = globalThis;
  const { close } = NetServer.prototype;
  let server: Server;
  beforeEach(async () => {
    server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });
  afterEach(() => {
    globalThis.setImmediate = later;
    NetServer.prototype.close = close;
    server.close();
  });

  it('closes in the very turn that found nobody, by code that has run before: whoever comes in between is cut off', async () => {
    const closed: unknown[] = [];
    let looks = false;
    globalThis.setImmediate = ((look: () => void) =>
      later(() => {
        looks = true;
        look();
        looks = false;
      })) as typeof setImmediate;
    NetServer.prototype.close = function (this: NetServer): NetServer {
      closed.push(this === server ? { looks } : 'a rehearsal');
      return close.call(this);
    };
    await new ClosingDoor(server).close();
    expect(closed).toEqual(['a rehearsal', { looks: true }]);
    expect(server.listening).toBe(false);
  });

  it('gives a connection that was made before the time to say what it wants', async () => {
    const door = new ClosingDoor(server);
    server.on('request', (_request, response) => response.end('answered'));
    const { port } = server.address() as { port: number };
    const answer = fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    const [{ status }] = await Promise.all([answer, door.close()]);
    expect(status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed');
  });
});
