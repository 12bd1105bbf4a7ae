import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase } from '../support/database.js';

interface Ended {
  readonly code: number | null;
  readonly errors: string;
}

/** Starts the built program where it cannot start. */
function start(env: Readonly<Record<string, string>>): Promise<Ended> {
  const whole = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', LOG_LEVEL: 'silent', ...env };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [join('dist', 'src', 'main.js')], { env: whole, timeout: 50_000 }, (_error, _output, errors) =>
      resolve({ code: child.exitCode, errors }),
    );
  });
}

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'showrunner-start-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a service that cannot start says why and what helps, in one line and without a stack', () => {
  it('nobody answers at DATABASE_URL', async () => {
    expect(await start({ DATABASE_URL: 'postgres://me:hidden@127.0.0.1:1/x' })).toEqual({
      code: 1,
      errors:
        'PostgreSQL cannot be used at postgres://me:***@127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1. Start it, or correct DATABASE_URL.\n',
    });
  });

  it('there is no such database, or no such user', async () => {
    const database = await createTestDatabase();
    try {
      const missing = new URL(database.url);
      missing.pathname = '/no_such_database';
      const { code, errors } = await start({ DATABASE_URL: missing.href });
      expect(code).toBe(1);
      expect(errors).toMatch(
        /^PostgreSQL cannot be used at postgres:.*: database "no_such_database" does not exist\. Create the database, or .*\n$/,
      );
      const stranger = new URL(database.url);
      stranger.username = 'nobody_of_that_name';
      stranger.password = 'hidden';
      const refused = await start({ DATABASE_URL: stranger.href });
      expect(refused.code).toBe(1);
      expect(refused.errors).toMatch(/^PostgreSQL cannot be used at .* Check user and password of DATABASE_URL.*\n$/);
      expect(refused.errors).not.toContain('hidden');
    } finally {
      await database.drop();
    }
  });

  it('the port is taken', async () => {
    const database = await createTestDatabase();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect(await start({ DATABASE_URL: database.url, PORT: String(port) })).toEqual({
        code: 1,
        errors: `Port ${port} of 127.0.0.1 is taken. Set PORT to a free one, or end what listens there.\n`,
      });
    } finally {
      server.close();
      await database.drop();
    }
  });

  it('the data folder is no folder', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const { code, errors } = await start({ DATA_DIR: join(file, 'data') });
    expect(code).toBe(1);
    expect(errors).toMatch(/^DATA_DIR \(.*\) cannot be used: ENOTDIR: .*\. Choose another one, or set DATABASE_URL\.\n$/);
  });
});
