import { createServer as createTlsServer } from 'node:https';
import { type RequestListener } from 'node:http';
import { type OutboundRequest } from '../engine/outbound-port.js';
import { parseOutboundAllow } from './allow-list.js';
import { parseEgressProxy } from './egress-proxy.js';
import { OutboundClient, type OutboundOptions } from './outbound-client.js';
import { type ConnectProxy, type ConnectProxyOptions, serveConnect } from './testing/connect-proxy.js';
import { listening, type LocalServer, serveHttp, serveTcp } from './testing/local-server.js';
import { SIGNED, TEST_AUTHORITY } from './testing/test-authority.js';

const PUBLIC = '93.184.215.14';
const SECOND = '2606:2800:21f:cb07:6820:80da:af6b:8b2c';

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((thing) => thing.close()));
});
const kept = <T extends { close(): Promise<void> }>(thing: T): T => (closing.push(thing), thing);
const serve = async (handler: RequestListener) => kept(await serveHttp(handler));
const serveTls = async (handler: RequestListener) => kept(await listening(createTlsServer(SIGNED, handler), []));
const proxyFor = async (options: ConnectProxyOptions) => kept(await serveConnect(options));
const clientOf = (proxyUrl: string, options: Partial<OutboundOptions> & { readonly allowText?: string } = {}) =>
  kept(
    new OutboundClient({
      allow: parseOutboundAllow(options.allowText ?? ''),
      proxy: parseEgressProxy(proxyUrl),
      authorities: [TEST_AUTHORITY],
      resolve: () => Promise.resolve([PUBLIC]),
      ...options,
    }),
  );
const get = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  url,
  method: 'GET',
  signal: new AbortController().signal,
  ...more,
});
const textOf = (body: Uint8Array) => Buffer.from(body).toString();
const unresolvable = () => Promise.reject(new Error('ENOTFOUND'));
const hello: RequestListener = (request, response) => response.end(`${request.headers.host} ${request.url}`);

describe('an egress proxy', () => {
  /** A target behind a proxy that leads everything there. */
  async function behindProxy(target: LocalServer, tls?: ConnectProxyOptions['tls']): Promise<ConnectProxy> {
    return proxyFor({ route: () => target.port, ...(tls ? { tls } : {}) });
  }

  it('is asked for the checked address; Host stays the name', async () => {
    const target = await serve(hello);
    const proxy = await behindProxy(target);
    const answer = await clientOf(proxy.origin).fetch(get('http://named.example/a?b=1'));
    expect(textOf(answer.body)).toBe('named.example /a?b=1');
    expect(proxy.targets).toEqual([`${PUBLIC}:80`]);
    expect(proxy.authorizations).toEqual([undefined]);
    expect(proxy.requests).toEqual([]); // plain http too goes through a tunnel
  });

  it('carries https: the certificate is that of the name', async () => {
    const target = await serveTls(hello);
    const proxy = await behindProxy(target);
    const client = clientOf(proxy.origin);
    expect(textOf((await client.fetch(get('https://named.example/'))).body)).toBe('named.example /');
    expect(proxy.targets).toEqual([`${PUBLIC}:443`]);
    await expect(client.fetch(get('https://other.example/'))).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringContaining('certificate') as string,
    });
    const distrustful = clientOf(proxy.origin, { authorities: [] });
    await expect(distrustful.fetch(get('https://named.example/'))).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringContaining('certificate') as string,
    });
    expect((await distrustful.fetch(get('https://named.example/', { verify: false }))).status).toBe(200);
  });

  it('may speak TLS itself and ask for credentials', async () => {
    const target = await serve(hello);
    const proxy = await behindProxy(target, SIGNED);
    const client = clientOf(proxy.origin.replace('//', '//user:p%40ss@'));
    expect((await client.fetch(get('http://named.example/'))).status).toBe(200);
    expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`]);
    expect(target.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it('is tried with the next checked address where the first cannot be reached', async () => {
    const target = await serve(hello);
    const proxy = await proxyFor({ route: (asked) => (asked.startsWith('[') ? target.port : { refuse: 502 }) });
    const client = clientOf(proxy.origin, { resolve: () => Promise.resolve([PUBLIC, SECOND]) });
    expect((await client.fetch(get('http://named.example:8080/'))).status).toBe(200);
    expect(proxy.targets).toEqual([`${PUBLIC}:8080`, `[${SECOND}]:8080`]);
  });

  it('reuses tunnels', async () => {
    const target = await serve(hello);
    const proxy = await behindProxy(target);
    const client = clientOf(proxy.origin);
    for (let call = 0; call < 20; call += 1) await client.fetch(get('http://named.example/'));
    expect(target.requests).toHaveLength(20);
    expect(proxy.targets.length).toBeLessThanOrEqual(2);
  });

  it.each([
    ['http://127.0.0.1/', ''],
    ['http://[::1]/', ''],
    ['http://169.254.169.254/latest/meta-data/', ''],
    ['http://0x7f.1/', ''],
    ['https://10.0.0.1/', '10.0.0.2'],
    ['http://[64:ff9b::a9fe:a9fe]/', ''],
    ['http://named.example:8080/', ''],
  ])('is never asked for %s', async (url, allowText) => {
    const target = await serve(hello);
    const proxy = await behindProxy(target);
    const client = clientOf(proxy.origin, { allowText, resolve: () => Promise.resolve([PUBLIC, '192.168.1.1']) });
    await expect(client.fetch(get(url))).rejects.toMatchObject({ code: 'outbound_blocked' });
    expect(proxy.connections()).toBe(0);
  });

  it('is not asked to follow a redirect to a blocked address', async () => {
    const target = await serve((_request, response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end());
    const proxy = await behindProxy(target);
    await expect(clientOf(proxy.origin).fetch(get('http://named.example/'))).rejects.toMatchObject({ code: 'outbound_blocked' });
    expect(proxy.targets).toEqual([`${PUBLIC}:80`]);
  });

  it('carries calls to private addresses that are allowed', async () => {
    const target = await serve(hello);
    const proxy = await behindProxy(target);
    const client = clientOf(proxy.origin, { allowText: '127.0.0.1:9000' });
    expect((await client.fetch(get('http://127.0.0.1:9000/'))).status).toBe(200);
    expect(proxy.targets).toEqual(['127.0.0.1:9000']);
  });

  describe('and a name that only the proxy can resolve', () => {
    it('asks for the name', async () => {
      const target = await serveTls(hello);
      const proxy = await behindProxy(target);
      const client = clientOf(proxy.origin, { resolve: unresolvable, proxyResolves: true });
      expect(textOf((await client.fetch(get('https://named.example/x'))).body)).toBe('named.example /x');
      expect(proxy.targets).toEqual(['named.example:443']);
    });

    it('fails where the proxy is not to resolve names, and where there is none', async () => {
      const proxy = await behindProxy(await serve(hello));
      const failure = { code: 'connection_error', message: expect.stringMatching(/could not be resolved$/) as string };
      await expect(clientOf(proxy.origin, { resolve: unresolvable }).fetch(get('http://named.example/'))).rejects.toMatchObject({
        code: 'connection_error',
        message: expect.stringContaining('OUTBOUND_PROXY_RESOLVES=true') as string,
      });
      const direct = clientOf(proxy.origin, { resolve: unresolvable, proxyResolves: true, proxy: null });
      await expect(direct.fetch(get('http://named.example/'))).rejects.toMatchObject(failure);
      expect(proxy.connections()).toBe(0);
    });

    it.each(['localhost', 'db', 'a.localhost', 'metadata.google.internal', 'metadata.google.internal.', 'nas.home.arpa', 'LOCALHOST'])(
      'refuses the private name %s unless it is allowed',
      async (host) => {
        const target = await serve(hello);
        const proxy = await behindProxy(target);
        const url = `http://${host}:8080/`;
        const refusing = clientOf(proxy.origin, { resolve: unresolvable, proxyResolves: true });
        await expect(refusing.fetch(get(url))).rejects.toMatchObject({
          code: 'outbound_blocked',
          message: expect.stringContaining('OUTBOUND_ALLOW') as string,
        });
        expect(proxy.connections()).toBe(0);
        const allowText = `${host.toLowerCase().replace(/\.$/, '')}:8080`;
        const allowing = clientOf(proxy.origin, { resolve: unresolvable, proxyResolves: true, allowText });
        expect((await allowing.fetch(get(url))).status).toBe(200);
      },
    );

    it('never asks for the own database by its name', async () => {
      const proxy = await behindProxy(await serve(hello));
      const client = clientOf(proxy.origin, {
        resolve: unresolvable,
        proxyResolves: true,
        allowText: 'db.example',
        ownDatabase: [{ host: 'DB.example', port: 5432 }],
      });
      await expect(client.fetch(get('http://db.example.:5432/'))).rejects.toMatchObject({ code: 'outbound_blocked' });
      expect(proxy.connections()).toBe(0);
    });
  });

  it.each([
    [403, false],
    [407, false],
    [502, true],
    [504, true],
  ])('that answers %i fails the call', async (refuse, retryable) => {
    const proxy = await proxyFor({ route: () => ({ refuse }) });
    await expect(clientOf(proxy.origin).fetch(get('http://named.example/'))).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringContaining(`${refuse}`) as string,
      retryable,
    });
  });

  it('that is no proxy, or not there, fails the call and does not show its password', async () => {
    const noProxy = await serve((_request, response) => response.end());
    for (const origin of [noProxy.origin, 'http://127.0.0.1:1']) {
      const client = clientOf(origin.replace('//', '//user:geheim@'));
      await expect(client.fetch(get('http://named.example/'))).rejects.toMatchObject({
        code: 'connection_error',
        message: expect.not.stringContaining('geheim') as string,
      });
    }
  });

  it('that never answers does not outlive the call', async () => {
    const silent = kept(await serveTcp(() => undefined));
    const call = clientOf(silent.origin).fetch(get('https://named.example/', { signal: AbortSignal.timeout(200) }));
    await expect(call).rejects.toMatchObject({ code: 'timeout' });
  });
});

describe(parseEgressProxy.name, () => {
  it.each([
    ['http://proxy.internal:3128', { protocol: 'http:', host: 'proxy.internal', port: 3128, authorization: null }],
    ['http://proxy', { protocol: 'http:', host: 'proxy', port: 80, authorization: null }],
    ['https://[fd00::1]/', { protocol: 'https:', host: 'fd00::1', port: 443, authorization: null }],
    ['http://user@proxy', { protocol: 'http:', host: 'proxy', port: 80, authorization: `Basic ${btoa('user:')}` }],
  ])('reads %s', (text, proxy) => expect(parseEgressProxy(text)).toEqual(proxy));

  it('means none by nothing', () => expect(parseEgressProxy('')).toBeNull());

  it.each(['proxy:3128', 'socks5://proxy:1080', 'http://', 'http://proxy/path', 'http://geheim@proxy?x'])(
    'refuses %s without repeating it',
    (text) => expect(() => parseEgressProxy(text)).toThrow(/^(?!.*geheim).*http:\/\/user:password@proxy/),
  );
});
