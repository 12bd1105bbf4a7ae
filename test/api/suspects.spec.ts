import { EffectServer } from '../support/effect-server.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let door: TestService;
let effects: EffectServer;
beforeAll(async () => {
  effects = await EffectServer.start();
  door = await startTestService({ ROLE: 'api' });
});
afterAll(async () => {
  await door.stop();
  await effects.close();
});

const playbook = (path: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: suspect, path: suspects${path} }
workflow:
  - { step: start, type: http, endpoint: 'http://127.0.0.1:${effects.port}${path}', timeout: 60, next: end }
  - step: end
`;
/** An execution of a holder that is not there any more, and whose lease has not expired yet; as many others crashed before. */
async function held(path: string, attempts: number): Promise<string> {
  const id = await door.execute(`suspects${path}`);
  await query(
    door.databaseUrl,
    `UPDATE execution SET wake_at = NULL, lease_token = gen_random_uuid(), lease_until = clock_timestamp() + interval '1 day', attempts = $2
     WHERE id = $1`,
    [id, attempts],
  );
  return id;
}
const expire = (...ids: readonly string[]): Promise<unknown> =>
  query(door.databaseUrl, `UPDATE execution SET lease_until = clock_timestamp() - interval '1 second' WHERE id = ANY($1)`, [ids]);

it('a node runs one execution at a time whose holders keep crashing, and any number of others beside it (D16)', async () => {
  for (const path of ['/hold', '/other']) await door.register(playbook(path));
  const suspects = [await held('/hold', 1), await held('/hold', 1)];
  const other = await held('/other', 0);
  await expire(...suspects);
  const worker = await startTestService({ LEASE_SECONDS: '5', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` }, door);
  try {
    await effects.called('/hold', 1);
    // Whatever takes this over would take the second suspect with it.
    await expire(other);
    await effects.called('/other', 1);
    expect(await query(door.databaseUrl, 'SELECT claim_no FROM execution WHERE id = ANY($1) ORDER BY id', [suspects])).toEqual([
      { claim_no: 1 },
      { claim_no: 0 },
    ]);
    effects.release();
    for (const id of [...suspects, other]) expect(await door.waitDone(id)).toMatchObject({ status: 'completed' });
    expect(effects.of('/hold')).toHaveLength(2);
  } finally {
    await worker.stop();
  }
});

it('many suspects that do no harm are through soon: one follows the other at once (D16)', async () => {
  await door.register(playbook('/other'));
  const suspects: string[] = [];
  while (suspects.length < 150) suspects.push(await held('/other', 1));
  await expire(...suspects);
  const worker = await startTestService({ LEASE_SECONDS: '5', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` }, door);
  try {
    // One a second would take longer than `waitDone` has patience.
    for (const id of suspects.toReversed()) expect(await door.waitDone(id)).toMatchObject({ status: 'completed' });
  } finally {
    await worker.stop();
  }
});

it('an execution that gets further is no suspect any more: the next one need not wait until it ends (D16)', async () => {
  await door.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: suspect, path: suspects/further }
workflow:
  - { step: start, type: http, endpoint: 'http://127.0.0.1:${effects.port}/further', timeout: 60, next: stays }
  - { step: stays, type: http, endpoint: 'http://127.0.0.1:${effects.port}/hold/further', timeout: 60, next: end }
  - step: end
`);
  effects.hold();
  const suspects = [await held('/further', 1), await held('/further', 1)];
  await expire(...suspects);
  const worker = await startTestService({ LEASE_SECONDS: '5', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` }, door);
  try {
    await effects.called('/hold/further', 2);
    effects.release();
    for (const id of suspects) expect(await door.waitDone(id)).toMatchObject({ status: 'completed' });
  } finally {
    effects.release();
    await worker.stop();
  }
});
