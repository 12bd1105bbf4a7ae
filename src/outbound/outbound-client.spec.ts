import { type RequestListener } from 'node:http';
import { type OutboundRequest } from '../engine/outbound-port.js';
import { parseOutboundAllow } from './allow-list.js';
import { OutboundClient, type OutboundOptions } from './outbound-client.js';
import { redirectOf } from './redirect.js';
import { type LocalServer, serveHttp, serveTcp } from './testing/local-server.js';

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((thing) => thing.close()));
});
const kept = <T extends { close(): Promise<void> }>(thing: T): T => (closing.push(thing), thing);
const clientWith = (options: Partial<OutboundOptions> & { readonly allowText?: string } = {}) =>
  kept(new OutboundClient({ allow: parseOutboundAllow(options.allowText ?? '127.0.0.1'), ...options }));
const serve = async (handler: RequestListener) => kept(await serveHttp(handler));
const canary = async () => kept(await serveTcp((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')));
const get = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  url,
  method: 'GET',
  signal: new AbortController().signal,
  ...more,
});
const textOf = (body: Uint8Array) => Buffer.from(body).toString();

describe(OutboundClient.name, () => {
  it('sends what it is given and returns the whole answer', async () => {
    const bodies: string[] = [];
    const server = await serve((request, response) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
      request.on('end', () =>
        response
          .writeHead(201, { 'X-One': 'a', 'X-Many': ['b', 'c'], 'Set-Cookie': ['d=1', 'e=2'], 'Content-Type': 'text/plain' })
          .end('Grüße'),
      );
    });
    const answer = await clientWith().fetch(
      get(`${server.origin}/path?q=1#hash`, { method: 'POST', headers: { 'X-Asked': 'yes' }, body: 'out' }),
    );
    expect(answer).toMatchObject({ status: 201, url: `${server.origin}/path?q=1` });
    expect(answer.headers).toMatchObject({ 'x-one': 'a', 'x-many': 'b, c', 'set-cookie': ['d=1', 'e=2'], 'content-type': 'text/plain' });
    expect(textOf(answer.body)).toBe('Grüße');
    expect(answer.elapsedMs).toBeGreaterThan(0);
    const [request] = server.requests;
    expect(request).toMatchObject({ method: 'POST', url: '/path?q=1' });
    expect(request?.headers).toMatchObject({ 'x-asked': 'yes', 'content-length': '3', host: `127.0.0.1:${server.port}` });
    expect(bodies).toEqual(['out']);
  });

  it('returns what follows a provisional answer', async () => {
    const server = await serve((_request, response) => {
      response.writeProcessing();
      response.end('done');
    });
    const { status, body } = await clientWith().fetch(get(server.origin));
    expect([status, textOf(body)]).toEqual([200, 'done']);
  });

  it('asks for the last time once there is a connection, and sends nothing where that is refused', async () => {
    const server = await serve((_request, response) => response.end());
    const refusal = new Error('not ours any more');
    let asked = 0;
    const refuse = () => {
      asked += 1;
      throw refusal;
    };
    const client = clientWith();
    await expect(client.fetch(get(server.origin, { beforeSending: refuse }))).rejects.toBe(refusal);
    expect([asked, server.requests]).toEqual([1, []]);
    await server.close();
    await expect(client.fetch(get(server.origin, { beforeSending: refuse }))).rejects.toMatchObject({ code: 'connection_error' });
    expect(asked).toBe(1);
  });

  it('ignores headers that belong to the connection', async () => {
    const server = await serve((_request, response) => response.end());
    const headers = { Host: 'other.example', Connection: 'close', 'Content-Length': '7', 'Transfer-Encoding': 'chunked', Upgrade: 'x' };
    await clientWith().fetch(get(server.origin, { headers }));
    const received = server.requests[0]?.headers ?? {};
    expect(received).toMatchObject({ host: `127.0.0.1:${server.port}`, connection: 'keep-alive' });
    expect(Object.keys(received)).not.toEqual(expect.arrayContaining(['content-length', 'transfer-encoding', 'upgrade']));
  });

  it('reuses connections', async () => {
    const server = await serve((_request, response) => response.end('x'));
    const client = clientWith();
    for (let call = 0; call < 20; call += 1) await client.fetch(get(server.origin));
    expect(server.requests).toHaveLength(20);
    expect(server.connections()).toBeLessThanOrEqual(2); // a call right behind another may find the first one still busy
  });

  it.each([
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
    'data:text/plain,x',
    '/relative',
    '',
    'http://',
    'http://[fe80::1%25eth0]/',
    'http://256.1.1.1/',
    'http://1.2.3.4.5/',
    'http://127.0.0.1:99999/',
    'http://exa mple/',
  ])('refuses "%s" as an endpoint', (url) =>
    expect(clientWith().fetch(get(url))).rejects.toMatchObject({ code: 'invalid_endpoint', retryable: false }),
  );

  it.each(['http://user@', 'http://user:secret@', 'http://:secret@', 'http://public.example@'])(
    'refuses user names and passwords in an endpoint: %s',
    async (start) => {
      const server = await canary();
      const failure = clientWith().fetch(get(`${start}127.0.0.1:${server.port}/`));
      await expect(failure).rejects.toMatchObject({ code: 'invalid_endpoint', message: expect.not.stringContaining('secret') as string });
      expect(server.connections()).toBe(0);
    },
  );

  it.each(['CONNECT', 'TRACE', 'get', 'G T', 'GET / HTTP/1.1\r\nX: y', ''])('refuses the method "%s"', (method) =>
    expect(clientWith().fetch(get('http://127.0.0.1/', { method }))).rejects.toMatchObject({ code: 'invalid_endpoint' }),
  );

  it('never sends a header that would end the line', async () => {
    const server = await canary();
    const failure = clientWith().fetch(get(server.origin, { headers: { 'X-A': 'b\r\nX-C: d' } }));
    await expect(failure).rejects.toMatchObject({ code: 'invalid_endpoint', message: expect.not.stringContaining('X-C') as string });
    expect(server.connections()).toBe(0);
  });

  describe('addresses', () => {
    it.each([
      ['127.0.0.1', '127.0.0.1'],
      ['127.1', '127.0.0.1'],
      ['2130706433', '127.0.0.1'],
      ['0x7f000001', '127.0.0.1'],
      ['0177.0.0.1', '127.0.0.1'],
      ['127.0.0.1.', '127.0.0.1'],
      ['①②⑦.0.0.1', '127.0.0.1'],
      ['0', '0.0.0.0'],
      ['[::ffff:127.0.0.1]', '::ffff:7f00:1'],
      ['[64:ff9b::7f00:1]', '64:ff9b::7f00:1'],
      ['[::]', '::'],
      ['[::1]', '::1'],
      ['localhost', '127.0.0.1'],
      ['localhost.', '127.0.0.1'],
    ])('a listener on 127.0.0.1 hears nothing of %s', async (host, address) => {
      const server = await canary();
      const client = clientWith({ allowText: '', resolve: () => Promise.resolve(['127.0.0.1']) });
      await expect(client.fetch(get(`http://${host}:${server.port}/`))).rejects.toMatchObject({
        code: 'outbound_blocked',
        retryable: false,
        message: expect.stringMatching(new RegExp(`${address}.*OUTBOUND_ALLOW`)) as string,
      });
      expect(server.connections()).toBe(0);
    });

    it('reaches the same listener once it is allowed', async () => {
      const server = await canary();
      await expect(clientWith({ allowText: `127.0.0.1:${server.port}` }).fetch(get(server.origin))).resolves.toMatchObject({ status: 200 });
      expect(server.connections()).toBe(1);
    });

    it('refuses a name if one of its answers is not allowed', async () => {
      const server = await canary();
      const client = clientWith({ allowText: '', resolve: () => Promise.resolve(['93.184.215.14', '127.0.0.1']) });
      await expect(client.fetch(get(`http://mixed.example:${server.port}/`))).rejects.toMatchObject({ code: 'outbound_blocked' });
      expect(server.connections()).toBe(0);
    });

    it('connects to the address it checked, whatever the name says later', async () => {
      const allowed = await serve((_request, response) => response.end('allowed'));
      const answers = [['127.0.0.1'], ['127.0.0.2']];
      const asked: string[] = [];
      const client = clientWith({
        allowText: '127.0.0.1',
        resolve: (host) => (asked.push(host), Promise.resolve(answers[Math.min(asked.length, 2) - 1] ?? [])),
      });
      const url = `http://rebinding.example:${allowed.port}/`;
      expect(textOf((await client.fetch(get(url))).body)).toBe('allowed');
      expect(asked).toEqual(['rebinding.example']); // once: a second look-up could answer something else
      await expect(client.fetch(get(url))).rejects.toMatchObject({ code: 'outbound_blocked' }); // a kept connection does not spare the check
      expect(allowed.requests).toHaveLength(1);
      expect(allowed.requests[0]?.headers.host).toBe(`rebinding.example:${allowed.port}`);
    });

    it('tries the next checked address where the first does not answer', async () => {
      const server = await serve((_request, response) => response.end('second'));
      const client = clientWith({ allowText: 'two.example', resolve: () => Promise.resolve(['127.0.0.9', '127.0.0.1']) });
      expect(textOf((await client.fetch(get(`http://two.example:${server.port}/`))).body)).toBe('second');
    });

    it.each([
      ['fails', () => Promise.reject(new Error('ENOTFOUND'))],
      ['has no answer', () => Promise.resolve([])],
    ])('reports a connection error where the resolver %s', (_name, resolve) =>
      expect(clientWith({ resolve }).fetch(get('http://nowhere.example/'))).rejects.toMatchObject({
        code: 'connection_error',
        retryable: true,
      }),
    );

    it.each([
      ['by address', 'localhost', '127.0.0.1'],
      ['by another loopback address', '127.0.0.1', '127.0.0.7'],
      ['by name', 'db.internal', 'db.internal'],
      ['by another name', 'db.internal', 'alias.example'],
    ])('never reaches the own database %s', async (_name, databaseHost, host) => {
      const database = await canary();
      const client = clientWith({
        allowText: '0.0.0.0/0,::/0,db.internal,alias.example',
        ownDatabase: [{ host: databaseHost, port: database.port }],
        resolve: () => Promise.resolve(['127.0.0.1']),
      });
      await expect(client.fetch(get(`http://${host}:${database.port}/`))).rejects.toMatchObject({
        code: 'outbound_blocked',
        message: expect.stringContaining('OUTBOUND_ALLOW cannot') as string,
      });
      expect(database.connections()).toBe(0);
    });
  });

  describe('redirects', () => {
    const redirectTo = (location: string, status = 302) =>
      serve((_request, response) => response.writeHead(status, { location }).end('moved'));

    it('follows a relative location and reports the last URL', async () => {
      const server = await serve((request, response) =>
        request.url === '/a' ? response.writeHead(302, { location: 'b?x=1' }).end() : response.end(request.url),
      );
      const answer = await clientWith().fetch(get(`${server.origin}/a`));
      expect(answer).toMatchObject({ status: 200, url: `${server.origin}/b?x=1` });
      expect(textOf(answer.body)).toBe('/b?x=1');
    });

    it('refuses a redirect to an address that is not allowed', async () => {
      const target = await canary();
      const server = await redirectTo(`http://127.0.0.1:${target.port}/`);
      const client = clientWith({ allowText: `127.0.0.1:${server.port}` });
      await expect(client.fetch(get(server.origin))).rejects.toMatchObject({ code: 'outbound_blocked' });
      expect(server.requests).toHaveLength(1);
      expect(target.connections()).toBe(0);
    });

    it.each(['file:///etc/passwd', 'ftp://127.0.0.1/', 'http://user:pw@127.0.0.1/', 'http://[bad'])(
      'refuses a redirect to %s',
      async (location) => {
        const server = await redirectTo(location);
        await expect(clientWith().fetch(get(server.origin))).rejects.toMatchObject({ code: 'invalid_endpoint' });
      },
    );

    it('does not wait for the end of a body that nobody wants', async () => {
      const server = await serve((request, response) => {
        if (request.url === '/there') return void response.end('there');
        response.writeHead(302, { location: '/there' });
        const more = (): void => void (response.writable && response.write(Buffer.alloc(100_000), more));
        more();
      });
      expect(textOf((await clientWith().fetch(get(server.origin))).body)).toBe('there');
    });

    it('follows five and no more', async () => {
      const server = await serve((request, response) => {
        const left = Number((request.url ?? '').slice(1));
        if (left > 0) response.writeHead(302, { location: `/${left - 1}` }).end();
        else response.end('there');
      });
      const client = clientWith();
      expect(textOf((await client.fetch(get(`${server.origin}/5`))).body)).toBe('there');
      await expect(client.fetch(get(`${server.origin}/6`))).rejects.toMatchObject({ code: 'connection_error', retryable: false });
      expect(server.requests).toHaveLength(12);
    });

    it('ends a loop', async () => {
      const server = await redirectTo('/');
      await expect(clientWith().fetch(get(server.origin))).rejects.toMatchObject({ code: 'connection_error' });
      expect(server.requests).toHaveLength(6);
    });

    it.each([
      ['no redirect without a location', 302, {}],
      ['no redirect of 300', 300, { location: '/elsewhere' }],
      ['no redirect of 304', 304, { location: '/elsewhere' }],
    ])('%s', async (_name, status, headers) => {
      const server = await serve((_request, response) => response.writeHead(status, headers).end());
      await expect(clientWith().fetch(get(server.origin))).resolves.toMatchObject({ status });
    });

    const credentials = {
      Authorization: 'Bearer a',
      Cookie: 'b=c',
      'X-API-Key': 'd',
      'Idempotency-Key': 'e',
      'X-Acme': 'f',
      'X-Request-Id': 'g',
      Accept: 'text/plain',
    };
    const seenBy = async (target: LocalServer, location: string) => {
      const server = await redirectTo(location, 307);
      await clientWith().fetch(get(server.origin, { headers: credentials }));
      return target.requests[0]?.headers ?? {};
    };

    it('leaves credentials behind when the port changes', async () => {
      const target = await serve((_request, response) => response.end());
      const seen = await seenBy(target, target.origin);
      expect(seen).toMatchObject({ accept: 'text/plain', 'x-request-id': 'g' });
      for (const name of ['authorization', 'cookie', 'x-api-key', 'idempotency-key', 'x-acme']) expect(seen).not.toHaveProperty(name);
    });

    it('leaves credentials behind when the name changes, and does not find them again on the way back', async () => {
      const seen: (string | undefined)[] = [];
      const server = await serve((request, response) => {
        seen.push(request.headers.authorization);
        const next = [`http://other.example:${server.port}/`, `http://one.example:${server.port}/`][seen.length - 1];
        if (next === undefined) response.end();
        else response.writeHead(302, { location: next }).end();
      });
      const client = clientWith({ resolve: () => Promise.resolve(['127.0.0.1']) });
      await client.fetch(get(`http://one.example:${server.port}/`, { headers: credentials }));
      expect(seen).toEqual(['Bearer a', undefined, undefined]);
    });

    it.each([
      [307, 'POST', true],
      [308, 'PUT', true],
      [301, 'PUT', true],
      [307, 'DELETE', true],
      [302, 'POST', false],
      [303, 'PUT', false],
    ])('%i of a %s with a body to another origin is refused: %s', async (status, method, isRefused) => {
      const bodies: string[] = [];
      const target = await serve((request, response) => {
        request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
        request.on('end', () => response.end());
      });
      const server = await redirectTo(`${target.origin}/there`, status);
      const call = clientWith().fetch(get(server.origin, { method, body: 'client_secret=s', headers: { 'Content-Type': 'text/plain' } }));
      if (isRefused) {
        const message = expect.stringContaining(target.origin) as string;
        await expect(call).rejects.toMatchObject({ code: 'outbound_blocked', retryable: false, message });
        expect(target.connections()).toBe(0);
      } else {
        expect((await call).status).toBe(200);
        expect(target.requests.map((request) => [request.method, request.headers['content-type']])).toEqual([['GET', undefined]]);
      }
      expect(bodies).toEqual([]);
    });

    it.each([307, 308])('%i without a body goes on, without credentials', async (status) => {
      const target = await serve((_request, response) => response.end());
      const server = await redirectTo(target.origin, status);
      await clientWith().fetch(get(server.origin, { method: 'DELETE', headers: credentials }));
      expect(target.requests[0]).toMatchObject({ method: 'DELETE' });
      expect(target.requests[0]?.headers).not.toHaveProperty('authorization');
    });

    it.each([
      ['http://one.example/a', 'https://one.example/a', true],
      ['http://one.example/a', 'https://two.example/a', false],
      ['http://one.example:8080/a', 'https://one.example/a', false],
      ['https://one.example/a', 'http://one.example/a', false],
    ])('a body goes from %s to %s: %s', (from, to, goes) => {
      const hop = { url: new URL(from), method: 'POST', headers: { authorization: 'a', accept: 'b' }, body: 'x' };
      const next = () => redirectOf(hop, 308, to);
      if (goes) expect(next()).toMatchObject({ method: 'POST', body: 'x', headers: { accept: 'b' } });
      else expect(next).toThrow(/another origin/);
    });

    it('keeps them on the same origin', async () => {
      const seen: (string | undefined)[] = [];
      const server = await serve((request, response) => {
        seen.push(request.headers.authorization);
        if (seen.length === 1) response.writeHead(302, { location: '/again' }).end();
        else response.end();
      });
      await clientWith().fetch(get(server.origin, { headers: credentials }));
      expect(seen).toEqual(['Bearer a', 'Bearer a']);
    });

    it.each([
      [301, 'POST', 'GET', ''],
      [302, 'POST', 'GET', ''],
      [303, 'POST', 'GET', ''],
      [303, 'PUT', 'GET', ''],
      [303, 'HEAD', 'HEAD', ''],
      [301, 'PUT', 'PUT', 'body'],
      [302, 'DELETE', 'DELETE', 'body'],
      [307, 'POST', 'POST', 'body'],
      [308, 'POST', 'POST', 'body'],
    ])('%i makes of %s a %s', async (status, method, expectedMethod, expectedBody) => {
      const server = await serve((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          if (request.url === '/') response.writeHead(status, { location: '/next' }).end();
          else
            response.writeHead(200, { 'x-body': Buffer.concat(chunks).toString(), 'x-type': request.headers['content-type'] ?? '' }).end();
        });
      });
      const body = method === 'HEAD' ? null : 'body';
      const answer = await clientWith().fetch(get(server.origin, { method, body, headers: { 'Content-Type': 'text/plain' } }));
      expect(server.requests[1]?.method).toBe(expectedMethod);
      expect(answer.headers).toMatchObject({ 'x-body': expectedBody });
      if (expectedMethod === 'GET') expect(answer.headers).toMatchObject({ 'x-type': '' });
    });
  });
});
