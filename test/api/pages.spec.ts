import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
const asked: string[] = [];
let refusals = 0;
// Five items in pages of two; a page may be refused once.
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://stub');
  asked.push(url.pathname + url.search);
  const page = Number(url.searchParams.get('page') ?? '1');
  const fails = url.pathname === '/flaky' && page === 2 && refusals++ === 0;
  const items = [1, 2, 3, 4, 5].slice((page - 1) * 2, page * 2);
  const body = fails ? { error: 'busy' } : { data: items, paging: { page, hasMore: page < 3 } };
  response.writeHead(fails ? 503 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${(server.address() as AddressInfo).port}` });
});
afterAll(async () => {
  await service.stop();
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
beforeEach(() => {
  asked.length = 0;
});

const document = (path: string, at: string, onSuccess: string, rest = ''): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
workflow:
  - step: start
    type: http
    endpoint: "http://127.0.0.1:${(server.address() as AddressInfo).port}${at}"
    data: { size: 2 }
    retry:
${rest}      on_success:
${onSuccess}    next: [{ step: end, data: { list: "{{ start }}", again: "{{ start.data }}" } }]
  - step: end
`;
const WHILE = `        while: "{{ response.paging.hasMore }}"
        next_call: { params: { page: "{{ response.paging.page + 1 }}" } }
`;
const COLLECT = `        collect: { strategy: append, path: data, into: pages }\n`;
const run = async (path: string, at: string, onSuccess: string, rest = ''): Promise<Record<string, unknown>> => {
  await service.register(document(path, at, onSuccess, rest));
  return (await service.waitDone(await service.execute(path))) as unknown as Record<string, unknown>;
};

it('reads page after page and collects what it is told', async () => {
  expect(await run('pages/all', '/items', WHILE + COLLECT)).toMatchObject({
    status: 'completed',
    result: { list: [1, 2, 3, 4, 5], again: [1, 2, 3, 4, 5] },
  });
  expect(asked).toEqual(['/items?size=2', '/items?size=2&page=2', '/items?size=2&page=3']);
});

it.each([
  ['a number', '2', 2],
  ['a text', '"2"', 2],
  ['a template', '"{{ 1 + 1 }}"', 2],
  ['a template that gives none', '"{{ workload.nothing }}"', 3],
])('reads as many pages as it may: %s', async (name, most, pages) => {
  const { result } = await run(`pages/most_${name.replaceAll(' ', '_')}`, '/items', `${WHILE}${COLLECT}        max_attempts: ${most}\n`);
  expect(result).toMatchObject({ list: [1, 2, 3, 4, 5].slice(0, pages * 2) });
  expect(asked).toHaveLength(pages);
});

it('sees what is collected, with the page that was just read', async () => {
  const onSuccess = `        while: "{{ pages | length < 3 }}"
        next_call: { params: { page: "{{ response.paging.page + 1 }}", after: "{{ pages | last }}" } }
${COLLECT}`;
  expect(await run('pages/enough', '/items', onSuccess)).toMatchObject({ result: { list: [1, 2, 3, 4] } });
  expect(asked).toEqual(['/items?size=2', '/items?size=2&page=2&after=2']);
});

it('replaces and merges', async () => {
  expect(await run('pages/last', '/items', `${WHILE}        collect: { strategy: replace, path: data }\n`)).toMatchObject({
    result: { list: [5] },
  });
  expect(await run('pages/merged', '/items', `${WHILE}        collect: { strategy: merge, path: paging }\n`)).toMatchObject({
    result: { list: { page: 3, hasMore: false } },
  });
  expect(await run('pages/merged_lists', '/items', `${WHILE}        collect: { strategy: merge, path: data }\n`)).toMatchObject({
    result: { list: [1, 2, 3, 4, 5] },
  });
});

it('tries a page again that failed, and no other', async () => {
  const retried = await run(
    'pages/flaky',
    '/flaky',
    WHILE + COLLECT,
    '      on_error: { when: "{{ error.status == 503 }}", max_attempts: 3, initial_delay: 0.1 }\n',
  );
  expect(retried).toMatchObject({ status: 'completed', result: { list: [1, 2, 3, 4, 5] } });
  expect(asked).toEqual(['/flaky?size=2', '/flaky?size=2&page=2', '/flaky?size=2&page=2', '/flaky?size=2&page=3']);
});

it('does not ask again for a page that was answered, whatever on_error would say of it', async () => {
  const { status } = await run('pages/answered', '/items', WHILE + COLLECT, '      on_error: { when: "{{ error.status != 404 }}" }\n');
  expect(status).toBe('completed');
  expect(asked).toHaveLength(3);
});

it.each([
  ['a number of pages that is none', `        while: "{{ true }}"\n        max_attempts: 0\n`],
  ['an unknown strategy', `        while: "{{ true }}"\n        collect: { strategy: sum }\n`],
])('refuses %s', async (_name, onSuccess) => {
  const { status, json } = await service.post('/catalog/register', { content: document('pages/bad', '/items', onSuccess) });
  expect([status, json.code]).toEqual([422, 'invalid_document']);
});
