import { type DatabaseSession, type DatabaseTarget } from '../../src/engine/database-port.js';
import { parseOutboundAllow } from '../../src/outbound/allow-list.js';
import { DestinationCheck } from '../../src/outbound/destination.js';
import { parseEgressProxy, tunnelThrough } from '../../src/outbound/egress-proxy.js';
import { type Endpoint, OwnDatabase } from '../../src/outbound/own-database.js';
import { type Resolve } from '../../src/outbound/resolve.js';
import { type ConnectProxy, type ConnectProxyOptions, serveConnect } from '../../src/outbound/testing/connect-proxy.js';
import { trusting } from '../../src/outbound/trust.js';
import { databaseTarget } from '../../src/sql/database-target.js';
import { PostgresDatabases } from '../../src/sql/postgres-databases.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { query } from '../support/sql.js';

let database: TestDatabase;
let target: DatabaseTarget;
const opened: PostgresDatabases[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  target = databaseTarget({ connection: database.url });
});
afterEach(() => {
  for (const databases of opened.splice(0)) databases.close();
});
afterAll(() => database.drop());

const never: Resolve = () => Promise.reject(new Error('nobody asks'));
function open(options: { connections?: number; pools?: number; idleMs?: number } = {}, resolve: Resolve = never): PostgresDatabases {
  const check = new DestinationCheck(parseOutboundAllow('127.0.0.0/8'), new OwnDatabase([], resolve), resolve);
  const databases = new PostgresDatabases(check, { connections: 2, pools: 4, idleMs: 60_000, ...options });
  opened.push(databases);
  return databases;
}
const loan = (signal: AbortSignal = AbortSignal.timeout(20_000), tenantId = 't') => ({ tenantId, signal, statementTimeoutMs: null });
async function ask(session: DatabaseSession, text: string): Promise<unknown> {
  const { rows } = await session.run({ text, ownText: text, values: [] }, { maxRows: 10, maxBytes: 10_000 });
  return rows[0]?.['v'];
}
const pid = (session: DatabaseSession): Promise<unknown> => ask(session, 'SELECT pg_backend_pid() AS v');
const backends = async (): Promise<number> =>
  (await query(database.url, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'showrunner:step' AND datname = current_database()"))
    .length;
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe(PostgresDatabases.name, () => {
  it('lends no more connections than allowed, to each one at a time, and uses them again', async () => {
    const databases = open();
    let lent = 0;
    let most = 0;
    const work = async (session: DatabaseSession): Promise<unknown> => {
      lent += 1;
      most = Math.max(most, lent);
      const id = await pid(session);
      await ask(session, 'SELECT pg_sleep(0.02) AS v');
      lent -= 1;
      return id;
    };
    const ids = await Promise.all(Array.from({ length: 12 }, () => databases.use(target, loan(), work)));
    expect(most).toBe(2);
    expect(new Set(ids).size).toBe(2);
  });

  it('keeps tenants, passwords and addresses apart', async () => {
    const databases = open();
    const id = (of: DatabaseTarget, tenant: string): Promise<unknown> => databases.use(of, loan(undefined, tenant), pid);
    const first = await id(target, 'a');
    expect(await id(target, 'a')).toBe(first);
    expect(await id(target, 'b')).not.toBe(first);
    await expect(id({ ...target, password: 'wrong' }, 'a')).rejects.toMatchObject({ code: 'invalid_connection' });
    expect(await id(target, 'a')).toBe(first);
  });

  it('gives up the pool that was used longest ago', async () => {
    const databases = open({ pools: 2 });
    for (const tenant of ['a', 'b', 'c', 'd']) await databases.use(target, loan(undefined, tenant), pid);
    await until(async () => (await backends()) <= 3); // what is just being wiped is still in use
    for (const tenant of ['c', 'd']) await databases.use(target, loan(undefined, tenant), pid);
    await until(async () => (await backends()) === 2);
  });

  it('closes connections that nobody uses', async () => {
    await open({ idleMs: 30 }).use(target, loan(), pid);
    await until(async () => (await backends()) === 0);
  });

  it('survives the loss of idle and busy connections', async () => {
    const databases = open();
    const first = await databases.use(target, loan(), pid);
    await query(database.url, 'SELECT pg_terminate_backend($1)', [first]);
    // It is told to end; until it has, a statement may still reach it, and be lost with it.
    await until(async () => (await backends()) === 0);
    expect(await databases.use(target, loan(), pid)).not.toBe(first);
    const busy = databases.use(target, loan(), async (session) => {
      await query(database.url, 'SELECT pg_terminate_backend($1)', [await pid(session)]);
      return pid(session);
    });
    await expect(busy).rejects.toMatchObject({ code: 'connection_error', retryable: true });
    expect(await databases.use(target, loan(), pid)).toEqual(expect.any(Number));
  });

  it('lets who waits give up, and others go on', async () => {
    const databases = open({ connections: 1 });
    const hold = Promise.withResolvers<void>();
    const holder = databases.use(target, loan(), () => hold.promise);
    const controller = new AbortController();
    const waiting = databases.use(target, loan(controller.signal), pid);
    const next = databases.use(target, loan(), pid);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    hold.resolve();
    await holder;
    expect(await next).toEqual(expect.any(Number));
  });

  it('a cancelled statement costs its connection, not the next step', async () => {
    const databases = open({ connections: 1 });
    for (let round = 0; round < 5; round += 1) {
      const controller = new AbortController();
      const slow = databases.use(target, loan(controller.signal), async (session) => {
        setTimeout(() => controller.abort(new Error('cancelled')), 10 * round);
        return ask(session, 'SELECT pg_sleep(1000) AS v');
      });
      await expect(slow).rejects.toThrow('cancelled');
      expect(await databases.use(target, loan(), (session) => ask(session, "SELECT 'fine' AS v"))).toBe('fine');
    }
  });

  it('connects to the addresses it has checked, one after the other, and asks for them once', async () => {
    const asked: string[] = [];
    const databases = open({}, (host) => {
      asked.push(host);
      return Promise.resolve(asked.length === 1 ? ['127.0.0.9', '127.0.0.1'] : ['169.254.169.254']);
    });
    expect(await databases.use({ ...target, host: 'db.example' }, loan(), pid)).toEqual(expect.any(Number));
    expect(asked).toEqual(['db.example']);
    await expect(databases.use({ ...target, host: 'db.example' }, loan(), pid)).rejects.toMatchObject({ code: 'outbound_blocked' });
  });

  it('the server itself gives up a statement that lasts too long', async () => {
    const late = open().use(target, { ...loan(), statementTimeoutMs: 50 }, (session) => ask(session, 'SELECT pg_sleep(1000) AS v'));
    await expect(late).rejects.toMatchObject({ sqlState: '57014' });
  });

  it('is of no use once it is closed', async () => {
    const databases = open();
    await databases.use(target, loan(), pid);
    databases.close();
    await expect(databases.use(target, loan(), pid)).rejects.toMatchObject({ code: 'connection_error' });
  });
});

describe('an egress proxy', () => {
  const proxies: ConnectProxy[] = [];
  afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.close())));
  async function behind(
    route: ConnectProxyOptions['route'],
    { allow = '127.0.0.0/8', resolve = never, own = [] }: { allow?: string; resolve?: Resolve; own?: Endpoint[] } = {},
  ): Promise<{ proxy: ConnectProxy; databases: PostgresDatabases }> {
    const proxy = await serveConnect({ route });
    proxies.push(proxy);
    const check = new DestinationCheck(parseOutboundAllow(allow), new OwnDatabase(own, resolve), resolve, true);
    const tunnel = tunnelThrough(parseEgressProxy(proxy.origin.replace('//', '//user:pw@')), trusting([]));
    const databases = new PostgresDatabases(check, { connections: 2, pools: 4, idleMs: 60_000 }, tunnel);
    opened.push(databases);
    return { proxy, databases };
  }
  const home = (): number => target.port;

  it('carries connections and cancels to the checked address', async () => {
    const { proxy, databases } = await behind(home);
    const plain = { ...target, sslMode: 'disable' as const };
    const first = await databases.use(plain, loan(), pid);
    expect(await databases.use(plain, loan(), pid)).toBe(first); // kept, as any other
    expect(proxy.targets).toEqual([`${target.host}:${target.port}`]);
    expect(proxy.authorizations).toEqual([`Basic ${btoa('user:pw')}`]);
    const abort = new AbortController();
    const late = databases.use(plain, loan(abort.signal), (session) => ask(session, 'SELECT pg_sleep(600) AS v'));
    const sleeping = async () =>
      (
        await query(
          database.url,
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
        )
      ).length;
    await until(async () => (await sleeping()) === 1);
    abort.abort(new Error('enough'));
    await expect(late).rejects.toThrow('enough');
    await until(async () => (await sleeping()) === 0);
    expect(proxy.targets).toHaveLength(2);
  });

  it('is asked for TLS as a server would be, and again without where it is only preferred', async () => {
    const { proxy, databases } = await behind(home);
    await databases.use({ ...target, sslMode: 'prefer' }, loan(), pid);
    expect(proxy.targets).toHaveLength(2);
    await expect(databases.use({ ...target, sslMode: 'require' }, loan(), pid)).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringContaining('does not speak TLS') as string,
    });
  });

  it('is asked for the name that only it can resolve', async () => {
    const { proxy, databases } = await behind(home);
    await databases.use({ ...target, host: 'db.example', sslMode: 'disable' }, loan(), pid);
    expect(proxy.targets).toEqual([`db.example:${target.port}`]);
  });

  it.each(['10.0.0.1', '169.254.169.254', '::1', 'db.internal', 'own.example'])('is never asked for %s', async (host) => {
    const { proxy, databases } = await behind(home, { allow: 'own.example', own: [{ host: 'own.example', port: target.port }] });
    await expect(databases.use({ ...target, host }, loan(), pid)).rejects.toMatchObject({ code: 'outbound_blocked' });
    expect(proxy.connections()).toBe(0);
  });

  it.each([
    [403, false],
    [502, true],
  ])('that answers %i fails the step after every address was tried', async (refuse, retryable) => {
    const { proxy, databases } = await behind(() => ({ refuse }), { resolve: () => Promise.resolve(['93.184.215.14', '93.184.215.15']) });
    await expect(databases.use({ ...target, host: 'db.example' }, loan(), pid)).rejects.toMatchObject({
      code: 'connection_error',
      message: expect.stringMatching(`db.example:.*${refuse}`) as string,
      retryable,
    });
    expect(proxy.targets).toHaveLength(2);
  });
});
