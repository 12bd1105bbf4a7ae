import { routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await service.register(routingPlaybook('rerun/route'), { version: '1.0.0' });
  await service.register(routingPlaybook('rerun/route'), { version: '2.0.0' });
});
afterAll(() => service.stop());

describe('rerun', () => {
  it('is a new execution of the same version with the same parameters and metadata, and says where it comes from', async () => {
    const id = await service.execute('rerun/route', { version: '1.0.0', parameters: { n: 7 }, metadata: { by: 'me' } });
    const first = await service.waitDone(id);
    const { status, json, headers } = await service.post(`/executions/${id}/rerun`);
    expect([status, headers.get('location')]).toEqual([202, `/executions/${String(json.id)}`]);
    expect(json).toMatchObject({ forked_from: id, version: '1.0.0', metadata: { by: 'me' }, parent_execution_id: null });
    expect(json.id).not.toBe(id);
    const again = await service.waitDone(json.id as string);
    expect(again).toMatchObject({ status: 'completed', result: { n: 7 }, parameters: { n: 7 }, forked_from: id });
    expect(await service.waitDone(id)).toEqual(first);
  });

  it('takes another version and other parameters, in the words of old clients too', async () => {
    const id = await service.execute('rerun/route', { version: '1.0.0', parameters: { n: 7 } });
    const { status, json } = await service.post(
      `/api/executions/${id}/rerun`,
      { version: '^2', workload: { n: 8 }, resource_kind: 'playbook' },
      { prefer: 'wait=10' },
    );
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({ version: '2.0.0', requested_version: '^2', status: 'completed', result: { n: 8 } }),
    ]);
  });

  it('one key is one rerun of one execution', async () => {
    const [a, b] = [await service.execute('rerun/route'), await service.execute('rerun/route')];
    const rerun = (id: string, key: string) => service.post(`/executions/${id}/rerun`, {}, { 'idempotency-key': key });
    const first = await rerun(a, 'again');
    expect((await rerun(a, 'again')).json.id).toBe(first.json.id);
    expect(await rerun(b, 'again')).toMatchObject({ status: 422, json: { code: 'idempotency_key_reused' } });
  });

  it.each([
    ['an unknown execution', '4611686018427387903', {}, 404, 'unknown_execution'],
    ['an unknown version', null, { version: '9.9.9' }, 404, 'unknown_version'],
    ['a bad version', null, { version: '>=one <<2 ??' }, 422, 'invalid_version'],
    ['an unknown field', null, { step: 'a' }, 422, 'invalid_request'],
    ['parameters that are a list', null, { parameters: [] }, 422, 'invalid_request'],
  ])('%s is refused', async (_name, unknown, body, status, code) => {
    const id = unknown ?? (await service.execute('rerun/route'));
    expect(await service.post(`/executions/${id}/rerun`, body)).toMatchObject({ status, json: { code } });
  });
});
