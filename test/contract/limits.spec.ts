import { type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type DoorApp, startDoor } from '../support/door-app.js';

let door: DoorApp;
afterEach(() => door.app.close());

async function codeOf(payload: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await door.app.inject({ method: 'POST', url: '/execute', headers, payload });
  return answer.statusCode === 202 ? 'accepted' : `${answer.statusCode} ${answer.json<{ code: string }>().code}`;
}

/** A request to start something, with these parameters. */
const start = (parameters: string): string => `{"path":"a","parameters":${parameters}}`;

describe('a body', () => {
  const padded = (length: number): string => start(`{"x":"${'x'.repeat(length - start('{"x":""}').length)}"}`);

  it.each<[string, string, number, (size: number) => string, string]>([
    ['bytes', 'MAX_BODY_BYTES', 1_024, padded, '413 body_too_large'],
    ['levels', 'MAX_JSON_DEPTH', 10, (size) => start(`{"x":${'['.repeat(size - 2)}${']'.repeat(size - 2)}}`), '400 depth_exceeded'],
    ['values', 'MAX_JSON_NODES', 10, (size) => start(`{"x":[${Array.from({ length: size - 4 }, () => 1).join()}]}`), '400 too_many_nodes'],
    [
      'keys of an object',
      'MAX_JSON_KEYS',
      10,
      (size) => start(`{${Array.from({ length: size }, (_, at) => `"k${at}":1`).join()}}`),
      '400 too_many_nodes',
    ],
    [
      'items of a list',
      'MAX_JSON_ITEMS',
      10,
      (size) => start(`{"x":[${Array.from({ length: size }, () => 1).join()}]}`),
      '400 too_many_nodes',
    ],
  ])('has so many %s and no more', async (_name, setting, limit, body, refusal) => {
    door = await startDoor({ [setting]: String(limit) });
    expect(await codeOf(body(limit))).toBe('accepted');
    expect(await codeOf(body(limit + 1))).toBe(refusal);
  });
});

describe('requests in work', () => {
  it('are so many and no more', async () => {
    door = await startDoor({ HTTP_MAX_IN_FLIGHT: '2' });
    let finish = (): void => undefined;
    const held = new Promise<Record<string, never>>((resolve) => (finish = () => resolve({})));
    door.executions.answer = () => {
      if (door.executions.started.length === 2) void codeOf(start('{}')).then(thirds.resolve);
      return held;
    };
    const thirds = Promise.withResolvers<string>();
    const both = [codeOf(start('{}')), codeOf(start('{}'))];
    expect(await thirds.promise).toBe('503 overloaded');
    finish();
    expect(await Promise.all(both)).toEqual(['accepted', 'accepted']);
    expect(await codeOf(start('{}'))).toBe('accepted');
  });
});

describe('a connection', () => {
  const open = async (): Promise<Socket> => {
    const { port } = door.app.getHttpServer().address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  };
  /** All that the service says until it closes. */
  const heard = async (socket: Socket): Promise<string> => {
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };
  const listening = async (env: Record<string, string>): Promise<void> => {
    door = await startDoor(env);
    await door.app.listen(0, '127.0.0.1');
  };
  const LIVE = 'GET /health/live HTTP/1.1\r\nhost: x\r\n';

  it('carries headers of so many bytes and no more', async () => {
    await listening({ HTTP_MAX_HEADER_BYTES: '1024' });
    // The path, names and values count; what stands between them does not.
    const counted = '/health/livehostxconnectioncloselong'.length;
    const statusOf = async (bytes: number): Promise<string> => {
      const socket = await open();
      socket.write(`${LIVE}connection: close\r\nlong: ${'a'.repeat(bytes - counted)}\r\n\r\n`);
      return (await heard(socket)).slice(9, 12);
    };
    expect([await statusOf(1024), await statusOf(1025)]).toEqual(['200', '431']);
  });

  it.each([
    ['never says a word', {}, ''],
    ['does not finish its headers', {}, LIVE],
    [
      'does not finish its body',
      { HTTP_REQUEST_TIMEOUT_MS: '300' },
      'POST /execute HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
    ],
  ])('that %s is told 408 and closed', async (_name, env, bytes) => {
    await listening({ HTTP_HEADERS_TIMEOUT_MS: '200', ...env });
    const socket = await open();
    if (bytes !== '') socket.write(bytes);
    const answer = await heard(socket);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ status: 408, code: 'request_timeout' });
  });

  describe('with an answer that no buffer takes', () => {
    const LARGE = 32 * 1_048_576;
    /** The answer comes after longer than the service has patience with its reader. */
    const WAITS = 'prefer: wait=5\r\n';
    const asked = async (headers: string): Promise<Socket> => {
      await listening({ HTTP_REQUEST_TIMEOUT_MS: '400' });
      door.executions.answer = async () => {
        if (headers.includes(WAITS)) await sleep(600);
        return { ended: true, result: 'x'.repeat(LARGE) };
      };
      const socket = await open();
      socket.pause();
      socket.write(
        `POST /execute HTTP/1.1\r\nhost: x\r\n${headers}content-type: application/json\r\ncontent-length: 12\r\n\r\n{"path":"a"}`,
      );
      return socket;
    };
    const isLeft = async (): Promise<boolean> => {
      const server = door.app.getHttpServer() as Server;
      for (let n = 0; n < 100; n += 1) {
        if ((await promisify(server.getConnections.bind(server))()) === 0) return true;
        await sleep(50);
      }
      return false;
    };

    it.each(['', WAITS])('is closed where its reader takes none of it (%j)', async (headers) => {
      const socket = await asked(headers);
      expect(await isLeft()).toBe(true);
      socket.destroy();
    });

    it('stays open for a reader that takes its time', async () => {
      const socket = await asked(`${WAITS}connection: close\r\n`);
      let size = 0;
      for await (const chunk of socket) {
        const before = Math.floor(size / 4_194_304);
        size += (chunk as Buffer).length;
        if (Math.floor(size / 4_194_304) > before) await sleep(150);
      }
      expect(size).toBeGreaterThan(LARGE);
    });
  });

  it('that has nothing more to ask is closed', async () => {
    await listening({ HTTP_IDLE_TIMEOUT_MS: '100' });
    const socket = await open();
    socket.write(`${LIVE}\r\n`);
    expect(await heard(socket)).toMatch(/^HTTP\/1.1 200 [^]*keep-alive/i);
  });

  it('is one of so many and no more', async () => {
    await listening({ HTTP_MAX_CONNECTIONS: '2', HTTP_IDLE_TIMEOUT_MS: '60000' });
    const [first, second, third] = [await open(), await open(), await open()];
    expect(await heard(third)).toBe('');
    for (const socket of [first, second]) socket.write(`${LIVE}connection: close\r\n\r\n`);
    expect((await Promise.all([heard(first), heard(second)])).map((answer) => answer.slice(9, 12))).toEqual(['200', '200']);
    const next = await open();
    next.write(`${LIVE}connection: close\r\n\r\n`);
    expect((await heard(next)).slice(9, 12)).toBe('200');
  });
});
