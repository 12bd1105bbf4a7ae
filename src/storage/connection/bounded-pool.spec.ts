import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { BoundedPool } from './bounded-pool.js';
import { DatabaseWatch } from './database-watch.js';

const message = (type: string, body: string): Buffer => {
  const bytes = Buffer.from(body, 'latin1');
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
};
const AUTHENTICATED = message('R', '\0\0\0\0');
const READY = message('Z', 'I');
const EMPTY_RESULT = message('C', 'SELECT 0\0');
const TERMINATED = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');

/** A server that answers one query, and ends the session in the same breath. */
async function serverThatEndsSessions(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    let started = false;
    socket.on('data', (data) => {
      if (!started) socket.write(Buffer.concat([AUTHENTICATED, READY]));
      else if (data.toString('latin1').startsWith('Q')) socket.end(Buffer.concat([EMPTY_RESULT, READY, TERMINATED]));
      started = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

it('a session that ends while its connection goes from one user to the next fails that one alone, and does not end the process (R6)', async () => {
  const { server, port } = await serverThatEndsSessions();
  const pool = new BoundedPool({ host: '127.0.0.1', port, user: 'any', max: 1, maxWaiters: 10, answerWithinMs: 60_000 });
  pool.on('error', () => undefined);
  try {
    const first = new Promise<void>((resolve, reject) =>
      pool.query('SELECT 1', (error: Error | undefined) => (error ? reject(error) : resolve())),
    );
    // It gets the connection in the very turn in which the answer arrives, and with it the end of the session.
    const next = pool.connect();
    await first;
    const client = await next;
    await expect(client.query('SELECT 2')).rejects.toThrow(/connection error|terminat/i);
    client.release();
  } finally {
    await pool.end();
    await new Promise((resolve) => server.close(resolve));
  }
});

it('a connection whose server does not answer in time is given to nobody again, and the watch knows of the silence', async () => {
  let connections = 0;
  const server = createServer((socket: Socket) => {
    const number = ++connections;
    let started = false;
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      if (!started) socket.write(Buffer.concat([AUTHENTICATED, READY]));
      else if (number > 1 && data.toString('latin1').startsWith('Q')) socket.write(Buffer.concat([EMPTY_RESULT, READY]));
      started = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const watch = new DatabaseWatch();
  const { port } = server.address() as AddressInfo;
  const pool = new BoundedPool({ host: '127.0.0.1', port, user: 'any', max: 1, maxWaiters: 10, answerWithinMs: 600, watch });
  pool.on('error', () => undefined);
  try {
    const client = await pool.connect();
    expect(watch.isSilent()).toBe(false);
    await expect(client.query('SELECT 1')).rejects.toThrow('Query read timeout');
    expect(watch.isSilent()).toBe(true);
    // Without a word about what happened, as TypeORM gives it back.
    client.release();
    await expect(pool.query('SELECT 2')).resolves.toMatchObject({ command: 'SELECT' });
    expect(connections).toBe(2);
  } finally {
    await pool.end();
    await new Promise((resolve) => server.close(resolve));
  }
});
