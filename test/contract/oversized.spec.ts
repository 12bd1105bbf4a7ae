import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DoorApp, startDoor } from '../support/door-app.js';

const MIB = 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

let door: DoorApp;
let port: number;
beforeAll(async () => {
  door = await startDoor({});
  await door.app.listen(0, '127.0.0.1');
  port = (door.app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => door.app.close());

/** Sends a body of 2 MiB, and looks for an answer only when all of it is sent. @returns what it saw, and how the connection ended */
async function sendAll(
  head: string,
  frame: (chunk: Buffer) => Buffer,
  end: string,
  pauseMs: number,
): Promise<{ answer: string; error: string | null }> {
  const socket = connect(port, '127.0.0.1');
  let error: string | null = null;
  socket.on('error', (thrown: NodeJS.ErrnoException) => (error = thrown.code ?? thrown.message));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  socket.pause();
  socket.write(`POST /execute HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n${head}\r\n\r\n`);
  for (let sent = 0; sent < 2 * MIB && error === null; sent += CHUNK.length) {
    socket.write(frame(CHUNK));
    await sleep(pauseMs);
  }
  socket.write(end);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.resume();
  await closed;
  return { answer, error };
}

const chunked = (chunk: Buffer): Buffer => Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);

it.each([
  ['declared', `content-length: ${2 * MIB}`, (chunk: Buffer): Buffer => chunk, ''],
  ['in chunks', 'transfer-encoding: chunked', chunked, '0\r\n\r\n'],
])('who sends too large a body slowly to its end finds the refusal, length %s', async (_name, head, frame, end) => {
  const { answer, error } = await sendAll(head, frame, end, 10);
  expect(error).toBeNull();
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  expect(answer).toContain('"code":"body_too_large"');
});

it('a client that reads while it sends 16 MiB and more finds it every time', async () => {
  const body = JSON.stringify({ path: 'a', parameters: { pad: 'p'.repeat(17 * MIB) } });
  const codes: unknown[] = [];
  for (let round = 0; round < 5; round++) {
    const answers = Array.from({ length: 6 }, async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/execute`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      return [answer.status, ((await answer.json()) as { code: string }).code];
    });
    codes.push(...(await Promise.all(answers)));
  }
  expect(codes).toEqual(codes.map(() => [413, 'body_too_large']));
});

it('who never stops is cut off', async () => {
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  socket.write(`POST /execute HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${1024 * MIB}\r\n\r\n`);
  const send = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', send);
  send();
  await closed;
  expect(socket.bytesWritten).toBeLessThan(1024 * MIB);
});
