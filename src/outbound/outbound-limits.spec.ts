import { randomBytes } from 'node:crypto';
import { createServer as createHttpsServer } from 'node:https';
import { type RequestListener } from 'node:http';
import { type Socket } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type OutboundRequest } from '../engine/outbound-port.js';
import { parseOutboundAllow } from './allow-list.js';
import { OutboundClient } from './outbound-client.js';
import { listening, type LocalServer, serveHttp, serveTcp } from './testing/local-server.js';
import { SELF_SIGNED } from './testing/self-signed.js';

const client = new OutboundClient({ allow: parseOutboundAllow('127.0.0.1') });
const servers: LocalServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});
afterAll(() => client.close());

const kept = (server: LocalServer) => (servers.push(server), server);
const serve = async (handler: RequestListener) => kept(await serveHttp(handler));
const serveRaw = async (handler: (socket: Socket) => void) => kept(await serveTcp(handler));
const fetchFrom = (url: string, more: Partial<OutboundRequest> = {}) =>
  client.fetch({ url, method: 'GET', signal: new AbortController().signal, ...more });
const MIB = 1_048_576;

describe('limits of an answer', () => {
  const text = 'Grüße '.repeat(1000);
  it.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['identity', Buffer.from(text)],
  ])('undoes %s', async (encoding, body) => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(body));
    expect(Buffer.from((await fetchFrom(server.origin)).body).toString()).toBe(text);
    expect(server.requests[0]?.headers['accept-encoding']).toBe('gzip, deflate, br, zstd');
  });

  it('leaves an encoding nobody knows as it is', async () => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'aes128gcm' }).end('raw'));
    expect(Buffer.from((await fetchFrom(server.origin)).body).toString()).toBe('raw');
  });

  it('accepts an encoding without a body', async () => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end());
    expect((await fetchFrom(server.origin, { method: 'HEAD' })).body).toHaveLength(0);
    expect((await fetchFrom(server.origin)).body).toHaveLength(0);
  });

  it.each([
    ['broken', 'gzip', Buffer.from('not gzip at all')],
    ['cut', 'gzip', gzipSync(text).subarray(0, 40)],
    ['broken', 'br', Buffer.from('not brotli at all')],
  ])('reports a %s %s stream', async (_how, encoding, body) => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(body));
    await expect(fetchFrom(server.origin)).rejects.toMatchObject({ code: 'connection_error' });
  });

  it.each([
    ['gzip', gzipSync(Buffer.alloc(15 * MIB))],
    ['br', brotliCompressSync(Buffer.alloc(15 * MIB))],
    ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(15 * MIB)))],
  ])('stops a %s bomb below the size limit by its ratio', async (encoding, body) => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(body));
    await expect(fetchFrom(server.origin)).rejects.toMatchObject({
      code: 'response_too_large',
      retryable: false,
      message: expect.stringContaining('100 times') as string,
    });
  });

  it('lets a small body unpack to more than a hundredfold', async () => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(MIB))),
    );
    expect((await fetchFrom(server.origin)).body).toHaveLength(MIB);
  });

  it.each([
    ['announced', { 'content-length': '1001' }],
    ['not announced', {}],
  ])('stops a body above the limit that was %s', async (_how, headers) => {
    const server = await serve((_request, response) => response.writeHead(200, headers).end(Buffer.alloc(1001)));
    await expect(fetchFrom(server.origin, { maxResponseBytes: 1000 })).rejects.toMatchObject({ code: 'response_too_large' });
    expect((await fetchFrom(server.origin, { maxResponseBytes: 1001 })).body).toHaveLength(1001);
  });

  it('counts the decoded bytes too', async () => {
    const server = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1001))),
    );
    await expect(fetchFrom(server.origin, { maxResponseBytes: 1000 })).rejects.toMatchObject({ code: 'response_too_large' });
  });

  it('stops a body without end and lets go of the connection', async () => {
    const gone = Promise.withResolvers<void>();
    const server = await serve((request, response) => {
      const chunk = Buffer.alloc(65_536);
      const pour = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pour);
      request.socket.on('close', () => gone.resolve());
      pour();
    });
    await expect(fetchFrom(server.origin, { maxResponseBytes: 2 * MIB })).rejects.toMatchObject({ code: 'response_too_large' });
    await gone.promise;
  });

  it.each([
    ['that unpacks too far', 'gzip', gzipSync(Buffer.alloc(40 * MIB)), 'response_too_large'],
    ['that unpacks too far', 'zstd', zstdCompressSync(Buffer.alloc(40 * MIB)), 'response_too_large'],
    ['that is broken', 'gzip', Buffer.from('not gzip at all'), 'connection_error'],
  ])('lets go of the connection of a body %s (%s), and whose rest never comes', async (_what, encoding, beginning, code) => {
    let isClosed = Promise.resolve<unknown>(null);
    const server = await serve((request, response) => {
      isClosed = new Promise((resolve) => request.socket.once('close', resolve));
      response.writeHead(200, { 'content-encoding': encoding }).write(beginning);
    });
    await expect(fetchFrom(server.origin)).rejects.toMatchObject({ code });
    await isClosed;
  });

  it('stops headers above 32 KiB', async () => {
    const server = await serveRaw((socket) => socket.end(`HTTP/1.1 200 OK\r\nX-Big: ${'x'.repeat(40_000)}\r\n\r\n`));
    await expect(fetchFrom(server.origin)).rejects.toMatchObject({ code: 'response_too_large' });
  });
});

describe('room for large answers', () => {
  const KIB = 1024;
  /** Grants one wish at a time, when it is told to. */
  class Room {
    readonly asked: number[] = [];
    private readonly open: PromiseWithResolvers<void>[] = [];
    private heard = Promise.withResolvers<void>();

    readonly admit = (bytes: number): Promise<void> => {
      const wish = Promise.withResolvers<void>();
      this.open.push(wish);
      this.asked.push(bytes);
      this.heard.resolve();
      return wish.promise;
    };

    async next(): Promise<PromiseWithResolvers<void>> {
      if (this.open.length === 0) await this.heard.promise;
      this.heard = Promise.withResolvers();
      return this.open.shift()!;
    }
  }
  const bodies: [string, number, RequestListener, number[]][] = [
    ['of 256 KiB', 256, (_, response) => response.end(Buffer.alloc(256 * KIB)), []],
    ['of known length', 8_000, (_, response) => response.end(Buffer.alloc(8_000 * KIB)), [8_000 * KIB]],
    [
      'of unknown length',
      600,
      (_, response) => (response.write(Buffer.alloc(200 * KIB)), response.end(Buffer.alloc(400 * KIB))),
      [768 * KIB],
    ],
    [
      'that is packed',
      600,
      (_, response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(600 * KIB, randomBytes(100 * KIB)))),
      [768 * KIB],
    ],
  ];

  it.each(bodies)('is asked for by a body %s', async (_what, kib, handler, wishes) => {
    const server = await serve(handler);
    const room = new Room();
    let ended = false;
    const call = fetchFrom(server.origin, { admit: room.admit }).finally(() => (ended = true));
    for (let granted = 0; granted < sum(wishes); granted = sum(room.asked)) {
      const wish = await room.next();
      for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
      expect(ended).toBe(false);
      wish.resolve();
    }
    expect((await call).body).toHaveLength(kib * KIB);
    expect(sum(room.asked)).toBe(sum(wishes));
  });

  it('is waited for by the sender: what is not read stays with it', async () => {
    const sender = Promise.withResolvers<Socket>();
    const server = await serveRaw((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${64 * MIB}\r\n\r\n`);
        socket.write(Buffer.alloc(64 * MIB));
        sender.resolve(socket);
      });
    });
    const room = new Room();
    const call = fetchFrom(server.origin, { admit: room.admit, maxResponseBytes: 64 * MIB });
    const wish = await room.next();
    for (let n = 0; n < 3_000; n++) await new Promise((resolve) => setImmediate(resolve));
    expect((await sender.promise).writableLength).toBeGreaterThan(0);
    wish.resolve();
    expect((await call).body).toHaveLength(64 * MIB);
  });

  it('is not asked for by the answer to HEAD', async () => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-length': '1000000' }).end());
    const room = new Room();
    expect((await fetchFrom(server.origin, { method: 'HEAD', admit: room.admit })).body).toHaveLength(0);
    expect(room.asked).toEqual([]);
  });

  it.each(bodies.slice(1))('that is refused ends the call and the connection: a body %s', async (_what, _kib, handler) => {
    const gone = Promise.withResolvers<void>();
    const server = await serve((request, response) => {
      request.socket.on('close', () => gone.resolve());
      handler(request, response);
    });
    const refused = (): Promise<void> => Promise.reject(new Error('no room'));
    await expect(fetchFrom(server.origin, { admit: refused })).rejects.toMatchObject({ code: 'connection_error' });
    await gone.promise;
  });

  it.each(bodies.slice(1))('that is not given in time ends the call and the connection: a body %s', async (_what, _kib, handler) => {
    const gone = Promise.withResolvers<void>();
    const server = await serve((request, response) => {
      request.socket.on('close', () => gone.resolve());
      handler(request, response);
    });
    const controller = new AbortController();
    const room = new Room();
    const call = fetchFrom(server.origin, { admit: room.admit, signal: controller.signal });
    const refused = expect(call).rejects.toThrow('cancelled');
    const wish = await room.next();
    const reason = new Error('cancelled');
    controller.abort(reason);
    wish.reject(reason);
    await refused;
    await gone.promise;
  });

  it.each([
    ['of known length', { 'content-length': '1000000' }],
    ['of unknown length', {}],
  ])('may come too late: a body %s that breaks meanwhile fails', async (_what, headers) => {
    const server = await serve((request, response) => {
      response.writeHead(200, headers).write(Buffer.alloc(300 * KIB));
      request.on('end', () => undefined);
      broken = () => request.socket.resetAndDestroy();
    });
    let broken = (): void => undefined;
    const room = new Room();
    const call = fetchFrom(server.origin, { admit: room.admit });
    const failed = expect(call).rejects.toMatchObject({ code: 'connection_error' });
    const wish = await room.next();
    broken();
    await new Promise((resolve) => setTimeout(resolve, 50));
    wish.resolve();
    await failed;
  });
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

describe('connections that fail', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['closes at once', (socket) => socket.destroy()],
    ['closes behind the request', (socket) => socket.once('data', () => socket.end())],
    ['closes within the headers', (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nX-'))],
    ['closes within the body', (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'))],
    ['does not speak HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
    ['resets', (socket) => socket.resetAndDestroy()],
  ])('a server that %s', async (_how, handler) => {
    const server = await serveRaw(handler);
    await expect(fetchFrom(server.origin)).rejects.toMatchObject({ code: 'connection_error', retryable: true });
    expect(server.connections()).toBe(1); // sent once: whether to send again is for the retry policy of the step
  });

  it('nobody listens', async () => {
    const server = await serveHttp(() => undefined);
    await server.close();
    await expect(fetchFrom(server.origin)).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  it('a TLS certificate that nobody vouches for, unless it is not verified', async () => {
    const server = createHttpsServer(SELF_SIGNED, (_request, response) => response.end('secret'));
    const { port } = kept(await listening(server, []));
    const url = `https://127.0.0.1:${port}/`;
    await expect(fetchFrom(url)).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringContaining('certificate') as string,
    });
    expect(Buffer.from((await fetchFrom(url, { verify: false })).body).toString()).toBe('secret');
    await expect(fetchFrom(url)).rejects.toMatchObject({ code: 'connection_error' }); // the unverified connection is not reused
  });

  it('never tells what was sent', async () => {
    const server = await serveRaw((socket) => socket.destroy());
    const failure = await fetchFrom(`${server.origin}/hidden-path?hidden-query`, {
      method: 'POST',
      headers: { Authorization: 'hidden-header' },
      body: 'hidden-body',
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect((failure as Error).message).not.toContain('hidden');
  });

  it('every call after close', async () => {
    const server = await serve((_request, response) => response.end());
    const closed = new OutboundClient({ allow: parseOutboundAllow('127.0.0.1') });
    await closed.close();
    const call = closed.fetch({ url: server.origin, method: 'GET', signal: new AbortController().signal });
    await expect(call).rejects.toMatchObject({ code: 'connection_error' });
    expect(server.connections()).toBe(0);
  });
});

describe('the signal', () => {
  const silent: RequestListener = () => undefined;
  const slow: RequestListener = (_request, response) => void response.writeHead(200).write('a');
  it.each([
    ['before the headers', silent],
    ['within the body', slow],
    [
      'within a packed body',
      (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).write(gzipSync('a').subarray(0, 12)),
    ],
  ] satisfies [string, RequestListener][])(
    'ends a call %s with the reason it gives, and the connection with it',
    async (_when, handler) => {
      const gone = Promise.withResolvers<void>();
      const reached = Promise.withResolvers<void>();
      const server = await serve((request, response) => {
        request.socket.on('close', () => gone.resolve());
        handler(request, response);
        setImmediate(() => reached.resolve());
      });
      const controller = new AbortController();
      const call = fetchFrom(server.origin, { signal: controller.signal });
      const reason = new Error('cancelled');
      await Promise.race([reached.promise, call]);
      controller.abort(reason);
      await expect(call).rejects.toBe(reason);
      await gone.promise;
    },
  );

  it('ends a call whose name never resolves', async () => {
    const stuck = new OutboundClient({ allow: parseOutboundAllow(''), resolve: () => new Promise(() => undefined) });
    const controller = new AbortController();
    const call = stuck.fetch({ url: 'http://slow.example/', method: 'GET', signal: controller.signal });
    controller.abort(new Error('cancelled'));
    await expect(call).rejects.toThrow('cancelled');
  });

  it('gives time-outs the code timeout', async () => {
    const server = await serve(silent);
    await expect(fetchFrom(server.origin, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ code: 'timeout', retryable: true });
  });

  it('sends nothing when it has fired already', async () => {
    const server = await serve(silent);
    await expect(fetchFrom(server.origin, { signal: AbortSignal.abort(new Error('over')) })).rejects.toThrow('over');
    expect(server.connections()).toBe(0);
  });
});
