import { type ServerResponse } from 'node:http';
import { parseOutboundAllow } from '../outbound/allow-list.js';
import { OutboundClient } from '../outbound/outbound-client.js';
import { type LocalServer, serveHttp } from '../outbound/testing/local-server.js';
import { ConnectionPool, type WantedConnection } from './connection-pool.js';
import { HttpTransport } from './http-transport.js';
import { MCP_LIMITS } from './limits.js';

const RESULTS: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'hangs', version: '1' } },
  'tools/list': { tools: [] },
};

describe(HttpTransport.name, () => {
  const { connectMs } = MCP_LIMITS;
  const outbound = new OutboundClient({ allow: parseOutboundAllow('127.0.0.1') });
  let pool: ConnectionPool;
  let server: LocalServer;
  let onNotification: (response: ServerResponse) => void;

  beforeAll(async () => {
    server = await serveHttp((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        if (request.method !== 'POST') return response.writeHead(405).end();
        const { id, method } = JSON.parse(text) as { id?: number; method: string };
        if (id === undefined) return onNotification(response);
        const result = RESULTS[method];
        if (!result) return response.writeHead(400).end();
        return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
      });
    });
  });
  beforeEach(() => (pool = new ConnectionPool({ outbound, stderr: () => undefined })));
  afterEach(() => {
    Object.assign(MCP_LIMITS, { connectMs });
    return pool.close();
  });
  afterAll(() => Promise.all([server.close(), outbound.close()]));

  const wanted = (): WantedConnection => ({
    tenantId: 'default',
    server: { kind: 'http', name: 'hangs', version: '1', url: server.origin, headers: {}, auth: null },
    credential: '',
    headers: {},
  });
  const signal = AbortSignal.timeout(30_000);

  it('gives a handshake up of which a notification is never answered, and makes another', async () => {
    Object.assign(MCP_LIMITS, { connectMs: 300 });
    onNotification = () => undefined;
    await expect(pool.connectionFor(wanted(), signal)).rejects.toMatchObject({ code: 'timeout', retryable: true });
    onNotification = (response) => response.writeHead(202).end();
    await expect(pool.connectionFor(wanted(), signal)).resolves.toMatchObject({ era: 'legacy' });
  });

  it('goes on where what is said to a notification never ends', async () => {
    Object.assign(MCP_LIMITS, { connectMs: 300 });
    onNotification = (response) => void response.writeHead(202).write('x'.repeat(100_000));
    await expect(pool.connectionFor(wanted(), signal)).resolves.toMatchObject({ era: 'legacy' });
  });

  it('ends a handshake that is under way when the service stops', async () => {
    const heard = new Promise<void>((resolve) => (onNotification = () => resolve()));
    const connecting = expect(pool.connectionFor(wanted(), signal)).rejects.toMatchObject({ name: 'StepFailure' });
    await heard;
    await pool.close();
    await connecting;
  });
});
