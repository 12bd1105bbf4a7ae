import { type JsonObject } from '../../src/engine/values.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const documentOf = (path: string, version: string): string => `
apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: old, path: ${path}, version: ${version} }
workload: { n: 1 }
workflow:
  - step: start
    next: [{ step: end, data: { n: "{{ workload.n }}" } }]
  - step: end
`;

async function registered(path: string, version: string): Promise<string> {
  const { json } = await service.post('/catalog/register', { content: documentOf(path, version) });
  return json.catalog_id as string;
}

// Requests as NoETL's own clients write them, which know entries by their ids and documents as base64.
describe('the graphical client', () => {
  it.each<[string, (id: string) => JsonObject, string]>([
    ['its button', (id) => ({ catalog_id: id, workload: { n: 2 }, resource_kind: 'playbook' }), 'latest'],
    ['its dialog', (id) => ({ catalog_id: id, merge: false, args: { n: 2 } }), 'latest'],
    ['its prompt', (id) => ({ catalog_id: id, version: 'latest', workload: { n: 2 }, resource_kind: 'playbook' }), 'latest'],
    ['a version beside the id', (id) => ({ catalog_id: id, version: 'v1.0.0', payload: { n: 2 } }), 'v1.0.0'],
  ])('starts the entry that it shows: %s', async (_name, bodyOf, requested) => {
    const id = await registered('old/shown', '1.0.0');
    await registered('old/shown', '1.1.0');
    const { status, json } = await service.post('/api/execute', bodyOf(id), { prefer: 'wait=10' });
    expect([status, json]).toEqual([200, expect.objectContaining({ catalog_id: id, requested_version: requested, result: { n: 2 } })]);
    expect(json.version).toBe(requested === 'latest' ? '1.0.0' : requested);
  });
});

describe('an id and a version that say different things', () => {
  it.each(['/execute', '/executions/run'])('start nothing at %s', async (url) => {
    const id = await registered('old/pinned', '1.0.0');
    await registered('old/pinned', '1.1.0');
    for (const version of ['1.1.0', '^1.1', 'prod'])
      expect(await service.post(url, { catalog_id: id, version })).toMatchObject({
        status: 422,
        json: { code: 'ambiguous_field', errors: [{ pointer: '/version' }] },
      });
    const agreeing = await service.post(url, { catalog_id: id, version: '^1' });
    expect(agreeing).toMatchObject({ status: 202, json: { version: '1.0.0', requested_version: '^1' } });
  });
});

describe('the command line client', () => {
  it('registers base64 as the content, in lines too', async () => {
    const encoded = Buffer.from(documentOf('old/encoded', '1.0.0')).toString('base64');
    const first = await service.post('/api/catalog/register', { content: encoded, resource_type: 'Playbook' });
    expect(first).toMatchObject({ status: 201, json: { path: 'old/encoded', version: '1.0.0' } });
    const lines = encoded.replaceAll(/.{76}/g, '$&\n');
    expect(await service.post('/api/catalog/register', { content: lines })).toMatchObject({
      status: 200,
      json: { catalog_id: first.json.catalog_id },
    });
    const content = await service.get(`/catalog/entries/${String(first.json.catalog_id)}/content`);
    expect(content.text).toBe(documentOf('old/encoded', '1.0.0'));
  });

  it('hears where a document is wrong that it has encoded', async () => {
    const wrong = documentOf('old/wrong', '1.0.0').replace('next: [{ step: end', 'next: [{ step: nowhere');
    const answer = await service.post('/api/catalog/register', { content: Buffer.from(wrong).toString('base64') });
    expect(answer).toMatchObject({ status: 422, json: { code: 'invalid_document', errors: [{ code: 'unknown_step', line: 8 }] } });
  });

  it.each([
    ['a word', 'abcd'],
    ['base64 of no document', Buffer.from('a word').toString('base64')],
    ['base64 of no text', '/w=='],
  ])('is told as ever that %s is no document', async (_name, content) => {
    expect(await service.post('/catalog/register', { content })).toMatchObject({ status: 422, json: { code: 'invalid_document' } });
  });
});
