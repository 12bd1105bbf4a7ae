import { type AddressInfo, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { problemOf } from './problem.js';

describe(problemOf.name, () => {
  it.each(['57P01', '08006', '53300', '58030', '40001', '40P01', '55P03', '57014', '25006', '25P03', '25P04'])(
    'SQLSTATE %s says that the database is away for now',
    (code) => {
      const error = Object.assign(new Error('x'), { driverError: Object.assign(new pg.DatabaseError('x', 1, 'error'), { code }) });
      expect(problemOf(error)).toMatchObject({ status: 503, code: 'database_unavailable', unexpected: false });
    },
  );

  it('a fault of a statement stays an internal error', () => {
    const error = Object.assign(new pg.DatabaseError('syntax error', 1, 'error'), { code: '42601' });
    expect(problemOf(error)).toMatchObject({ status: 500, code: 'internal_error', unexpected: true });
  });

  /** What the driver rejects with, against a server that does `welcome` with each connection. */
  async function failure(welcome: ((socket: Socket) => void) | null): Promise<unknown> {
    const server = createServer(welcome ?? undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    if (welcome === null) await new Promise((resolve) => server.close(resolve));
    const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'nobody', connectionTimeoutMillis: 50 });
    const error: unknown = await pool.query('SELECT 1').then(
      () => null,
      (reason: unknown) => reason,
    );
    await pool.end();
    server.close();
    return error;
  }

  it.each<[string, ((socket: Socket) => void) | null]>([
    ['refuses connections', null],
    ['hangs up', (socket) => void socket.destroy()],
    ['resets connections', (socket) => void socket.resetAndDestroy()],
    ['never answers', (socket) => void socket.on('error', () => undefined).setTimeout(200, () => socket.destroy())],
  ])('a server that %s is a database that is away', async (_name, welcome) => {
    const error = await failure(welcome);
    expect(problemOf(error)).toMatchObject({ status: 503, code: 'database_unavailable', headers: { 'retry-after': '1' } });
  });
});
