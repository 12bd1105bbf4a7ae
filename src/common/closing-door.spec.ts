import { Agent, createServer, get, type Server } from 'node:http';
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

  it('lets a kept connection be used for a while', async () => {
    const door = new ClosingDoor(server);
    const agent = new Agent({ keepAlive: true });
    const { port } = server.address() as { port: number };
    server.on('request', (_request, response) => response.end('answered'));
    const ask = (): Promise<boolean> =>
      new Promise((done, fail) => {
        const request = get({ port, host: '127.0.0.1', agent }, (response) =>
          response.resume().on('end', () => done(request.reusedSocket)),
        );
        request.on('error', fail);
      });
    await ask();
    let isClosed = false;
    const closing = door.close().then(() => (isClosed = true));
    while (server.listening) await new Promise(later);
    expect(await ask()).toBe(true);
    expect(isClosed).toBe(false);
    agent.destroy();
    await closing;
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
