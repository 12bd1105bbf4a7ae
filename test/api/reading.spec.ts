import { type JsonObject } from '../../src/engine/values.js';
import { pythonPlaybook, routingPlaybook } from '../support/documents.js';
import { type StreamedEvent, streamEvents } from '../support/event-source.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
/** Of each kind one that has ended: 1.0.0, 2.0.0 with metadata, failed, child. */
let first: string, second: string, failed: string, child: string;

beforeAll(async () => {
  service = await startTestService();
  await service.register(routingPlaybook('read/route'), { version: '1.0.0' });
  await service.register(routingPlaybook('read/route', 'workload: { n: 2 }\n'), { version: '2.0.0' });
  await service.register(pythonPlaybook('read/fail', { work: ['raise ValueError("on purpose")'] }));
  await service.register(pythonPlaybook('read/work', { one: ['return 1'], two: ['return {"two": 2}'], three: ['return [3]'] }));
  await service.register(pythonPlaybook('read/nap', { one: ['return 1'], nap: ['import time', 'time.sleep(1)', 'return 2'] }));
  await service.register(pythonPlaybook('read/large', { make: ['return "x" * 300000'] }));
  first = await service.execute('read/route', { version: '1.0.0' });
  await service.waitDone(first);
  second = await service.execute('read/route', { version: 'v2.0.0', metadata: { triggered_by: 'scheduler', depth: { a: [1, 2] } } });
  failed = await service.execute('read/fail');
  child = await service.run('read/work', { parent_execution_id: first, parent_step: 'start' });
  await Promise.all([second, failed, child].map((id) => service.waitDone(id)));
});
afterAll(() => service.stop());

const idsOf = ({ json }: TestAnswer): string[] => (json as unknown as { id: string }[]).map(({ id }) => id);
const list = async (query: Record<string, string>): Promise<string[]> =>
  idsOf(await service.get(`/executions?${new URLSearchParams(query).toString()}`));

describe('GET /executions', () => {
  it('is a bare array, newest first, without result and parameters', async () => {
    const { json } = await service.get('/executions');
    expect(idsOf({ json } as TestAnswer)).toEqual([child, failed, second, first]);
    for (const item of json as unknown as JsonObject[]) expect(item).toMatchObject({ result: null, parameters: null, progress: 100 });
    expect(json).toMatchObject([{ path: 'read/work', duration_seconds: expect.any(Number) as number }, { status: 'failed' }, {}, {}]);
  });

  it('filters', async () => {
    const { start_time: start, end_time: ended } = (await service.get(`/executions/${second}`)).json as {
      start_time: string;
      end_time: string;
    };
    const later = (time: string, ms: number): string => new Date(Date.parse(time) + ms).toISOString();
    const all = [child, failed, second, first];
    const cases: [Record<string, string>, string[]][] = [
      [{ path: 'read/route' }, [second, first]],
      [{ path: '/read/route.yaml' }, [second, first]],
      [{ path: 'read/nothing' }, []],
      [{ version: '2.0.0' }, [second]],
      [{ version: 'v2.0.0', path: 'read/route' }, [second]],
      [{ status: 'failed' }, [failed]],
      [{ status: 'FAILED,Completed' }, all],
      [{ status: 'running' }, []],
      [{ status: 'success' }, [child, second, first]],
      [{ type: 'playbook' }, all],
      [{ type: 'tool' }, []],
      [{ parent_execution_id: first }, [child]],
      [{ metadata: '{"triggered_by":"scheduler"}' }, [second]],
      [{ metadata: '{"depth":{"a":[2]}}' }, [second]],
      [{ metadata: '{"triggered_by":"hand"}' }, []],
      [{ started_after: later(start, -1), path: 'read/route', version: '2.0.0' }, [second]],
      [{ started_after: later(start, 60_000) }, []],
      [{ started_before: later(start, -60_000) }, []],
      [{ started_before: later(start, 60_000) }, all],
      [{ started_after: start, started_before: later(start, 1), path: 'read/route' }, [second]],
      [{ started_before: start, path: 'read/route' }, [first]],
      // Without a zone it is UTC, wherever the service runs.
      [{ started_after: start.slice(0, -1), path: 'read/route' }, [second]],
      [{ started_after: later(start, 7_200_000).replace('Z', '+02:00'), path: 'read/route' }, [second]],
      [{ ended_after: later(ended, 60_000) }, []],
      [{ ended_before: later(ended, 60_000) }, all],
      [{ limit: '2' }, [child, failed]],
      [{ limit: '2', offset: '1' }, [failed, second]],
      [{ offset: '10000' }, []],
    ];
    for (const [query, ids] of cases) expect([query, await list(query)]).toEqual([query, ids]);
  });

  it.each([
    ['limit=0', 422, 'invalid_request'],
    ['limit=501', 422, 'invalid_request'],
    ['limit=x', 422, 'invalid_request'],
    ['offset=10001', 422, 'invalid_request'],
    ['status=sleeping', 422, 'invalid_request'],
    ['type=job', 422, 'invalid_request'],
    ['metadata=[1]', 422, 'invalid_request'],
    ['started_after=yesterday', 422, 'invalid_request'],
    ['started_after=2025-02-30', 422, 'invalid_request'],
    ['ended_before=2025-02-28T24:00:00Z', 422, 'invalid_request'],
    ['colour=red', 422, 'invalid_request'],
    ['cursor=abc', 400, 'invalid_cursor'],
  ])('refuses ?%s', async (query, status, code) => {
    const answer = await service.get(`/executions?${query}`);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  it('pages to the end, each once, while new ones arrive', async () => {
    const there = await Promise.all(Array.from({ length: 40 }, () => service.execute('read/route', { metadata: { paged: true } })));
    await Promise.all(there.map((id) => service.waitDone(id)));
    const seen: string[] = [];
    const arriving: Promise<string>[] = [];
    let url: string | null = `/executions?metadata=${encodeURIComponent('{"paged":true}')}&limit=7`;
    while (url !== null) {
      const answer: TestAnswer = await service.get(url);
      seen.push(...idsOf(answer));
      arriving.push(service.execute('read/route', { metadata: { paged: true } }));
      await arriving.at(-1);
      const cursor = answer.headers.get('x-next-cursor');
      url = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] ?? null;
      expect(url === null).toBe(cursor === null);
      if (url !== null) expect(new URL(url, service.url).searchParams.get('cursor')).toBe(cursor);
    }
    expect(seen).toEqual(there.toSorted((a, b) => (BigInt(a) < BigInt(b) ? 1 : -1)));
    await Promise.all((await Promise.all(arriving)).map((id) => service.waitDone(id)));
  });
});

describe('GET /executions/{id}', () => {
  it('has events where they are asked for, and below /api', async () => {
    expect((await service.get(`/executions/${child}`)).json).toMatchObject({ events: null, pagination: null, parent_execution_id: first });
    for (const url of [`/executions/${child}?include=events`, `/api/executions/${child}`]) {
      const { events, pagination } = (await service.get(url)).json as unknown as { events: { seq: number }[]; pagination: JsonObject };
      const total = events.length;
      expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, index) => total - index));
      expect(pagination).toEqual({ page: 1, page_size: 100, total_events: total, total_pages: 1, has_next: false, has_prev: false });
    }
  });

  it('pages and filters its events', async () => {
    const total = (await service.events(child)).length;
    const page = (await service.get(`/executions/${child}?page=2&page_size=3`)).json as unknown as { events: { seq: number }[] };
    expect(page.events.map(({ seq }) => seq)).toEqual([total - 3, total - 4, total - 5]);
    expect(page).toMatchObject({ pagination: { page: 2, page_size: 3, total_events: total, has_next: true, has_prev: true } });
    const ended = await service.get(`/executions/${child}?event_type=execution_complete,execution_start`);
    expect((ended.json.events as { event_type: string }[]).map(({ event_type }) => event_type)).toEqual([
      'execution_completed',
      'execution_started',
    ]);
    const since = await service.get(`/executions/${child}?since_event_id=${child}-${total - 1}`);
    expect((since.json.events as { seq: number }[]).map(({ seq }) => seq)).toEqual([total]);
  });

  it('refers to a result above 256 KiB', async () => {
    const id = await service.execute('read/large');
    expect((await service.waitDone(id)).result).toEqual({ $ref: `/executions/${id}/result` });
    const { status, json, headers } = await service.get(`/executions/${id}/result`);
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringMatching(/^application\/json/)]);
    expect(json as unknown).toBe('x'.repeat(300_000));
    const waited = await service.post('/execute', { path: 'read/large' }, { prefer: 'wait=60' });
    expect([waited.status, waited.json.result]).toEqual([200, { $ref: `/executions/${String(waited.json.id)}/result` }]);
  });

  it('waits for the end where that is preferred, and its progress never falls', async () => {
    const id = await service.execute('read/nap');
    const seen: number[] = [];
    const waiting = service.get(`/executions/${id}`, { prefer: 'wait=20' });
    for (let state = 'running'; state === 'running';) {
      const { json } = await service.get(`/executions/${id}/status`);
      seen.push(json.progress as number);
      expect(json.status === 'running' ? (json.progress as number) < 100 : json.progress === 100).toBe(true);
      state = json.status as string;
      await new Promise((done) => setTimeout(done, 25));
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(new Set(seen).size).toBeGreaterThanOrEqual(2);
    const { json, headers } = await waiting;
    expect([json.status, json.result, headers.get('preference-applied')]).toEqual(['completed', 2, 'wait=20']);
  });
});

describe('the other views', () => {
  it('/status tells the small form', async () => {
    expect((await service.get(`/executions/${child}/status`)).json).toMatchObject({
      execution_id: child,
      status: 'completed',
      progress: 100,
      completed: true,
      failed: false,
      completion_inferred: false,
      variables: {},
      completed_steps: ['start', 'one', 'two', 'three', 'end'],
      error: null,
    });
    expect((await service.get(`/executions/${failed}/status`)).json).toMatchObject({
      status: 'failed',
      completed: false,
      failed: true,
      error: expect.stringContaining('on purpose') as string,
    });
  });

  it('/result is the result alone', async () => {
    expect((await service.get(`/executions/${child}/result`)).json).toEqual([3]);
    expect((await service.get(`/executions/${failed}/result`)).json).toBeNull();
  });

  it('/events pages in order', async () => {
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const { json }: TestAnswer = await service.get(`/executions/${child}/events?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...(json.events as { seq: number }[]).map(({ seq }) => seq));
      cursor = json.next_cursor as string | null;
    } while (cursor !== null);
    expect(seen).toEqual((await service.events(child)).map(({ seq }) => seq));
    expect(seen.length).toBeGreaterThan(3);
    const after = (await service.get(`/executions/${child}/events?after=4&limit=2`)).json;
    expect((after.events as { seq: number }[]).map(({ seq }) => seq)).toEqual([5, 6]);
  });

  it('/steps pages through the steps', async () => {
    const all = (await service.get(`/executions/${child}/steps`)).json as unknown as { steps: JsonObject[] };
    expect(all).toMatchObject({ next_cursor: null });
    expect(all.steps).toMatchObject([
      { step: 'start', status: 'COMPLETED' },
      { step: 'one', type: 'python', value: 1, wave: 1, attempt: 1, error: null },
      { step: 'two', value: { two: 2 } },
      { step: 'three', value: [3] },
      { step: 'end' },
    ]);
    const names: unknown[] = [];
    let cursor: string | null = null;
    do {
      const { json }: TestAnswer = await service.get(`/executions/${child}/steps?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
      names.push(...(json.steps as JsonObject[]).map(({ step }) => step));
      cursor = json.next_cursor as string | null;
    } while (cursor !== null);
    expect(names).toEqual(['start', 'one', 'two', 'three', 'end']);
  });

  it('/tree shows children below their parent', async () => {
    expect((await service.get(`/executions/${first}/tree`)).json).toMatchObject({
      root: { execution_id: first, path: 'read/route', children: [{ execution_id: child, parent_step: 'start', children: [] }] },
      count: 2,
      truncated: false,
    });
  });

  it.each(['', '/status', '/result', '/events', '/steps', '/tree'])('…%s of nothing is 404', async (view) => {
    for (const id of ['4711', 'exec_789', '0', '9'.repeat(30)]) {
      const { status, json } = await service.get(`/executions/${id}${view}`);
      expect([id, status, json.code]).toEqual([id, 404, 'unknown_execution']);
    }
  });
});

describe('the stream of events', () => {
  const collect = async (id: string, lastEventId?: number, query = ''): Promise<StreamedEvent[]> => {
    const events: StreamedEvent[] = [];
    for await (const event of streamEvents(`${service.url}/executions/${id}/events${query}`, lastEventId)) events.push(event);
    return events;
  };

  it('is the whole history, then it closes', async () => {
    const events = await collect(child);
    expect(events.map(({ data }) => data)).toEqual(await service.events(child));
    expect(events.every(({ id, type, data }) => data.seq === id && data.event_type === type)).toBe(true);
  });

  it('resumes after Last-Event-ID', async () => {
    const all = await collect(child);
    expect(await collect(child, 3)).toEqual(all.slice(3));
    expect(await collect(child, all.length)).toEqual([]);
  });

  it.each<[string, Record<string, string>, string, string]>([
    ['a Last-Event-ID', { 'last-event-id': '2147483648' }, '', 'invalid_header'],
    ['a cursor', {}, `?cursor=${Buffer.from('2147483648').toString('base64url')}`, 'invalid_cursor'],
  ])('is refused where %s is beyond every seq', async (_name, headers, query, code) => {
    const answer = await fetch(`${service.url}/executions/${child}/events${query}`, {
      headers: { accept: 'text/event-stream', ...headers },
    });
    expect([answer.status, ((await answer.json()) as JsonObject).code]).toEqual([400, code]);
  });

  it('begins and is narrowed as a page is', async () => {
    const all = await collect(child);
    expect(await collect(child, undefined, '?after=2')).toEqual(all.slice(2));
    const { json } = await service.get(`/executions/${child}/events?limit=3`);
    expect(await collect(child, undefined, `?cursor=${String(json.next_cursor)}`)).toEqual(all.slice(3));
    const steps = all.filter(({ type }) => type === 'step_started' || type === 'step_completed');
    expect(steps.length).toBeLessThan(all.length);
    expect(await collect(child, undefined, '?event_type=step_started,step_completed')).toEqual(steps);
    expect(await collect(child, steps[0]!.id, '?event_type=step_started,step_completed')).toEqual(steps.slice(1));
    // It ends with the execution, also where that event is not asked for.
    const id = await service.execute('read/nap');
    expect((await collect(id, undefined, '?event_type=step_started')).map(({ type }) => type)).toEqual(['step_started', 'step_started']);
    expect((await service.waitDone(id)).status).toBe('completed');
  });

  it.each([
    ['text/event-stream', 'text/event-stream'],
    ['Text/Event-Stream', 'text/event-stream'],
    ['application/json, text/event-stream', 'text/event-stream'],
    ['application/json;q=0.5, text/event-stream', 'text/event-stream'],
    ['text/*', 'text/event-stream'],
    ['application/json, text/event-stream;q=0.5', 'application/json'],
    ['application/json, text/event-stream;q=0', 'application/json'],
    ['*/*', 'application/json'],
  ])('is what Accept: %s asks for or not', async (accept, mediaType) => {
    const answer = await fetch(`${service.url}/executions/${child}/events`, { headers: { accept } });
    await answer.text();
    expect(answer.headers.get('content-type')).toBe(`${mediaType}; charset=utf-8`);
  });

  it('has the headers of every answer', async () => {
    const answer = await fetch(`${service.url}/executions/${child}/events`, {
      headers: { accept: 'text/event-stream', 'x-request-id': 'trace-1' },
    });
    await answer.text();
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-request-id': 'trace-1',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining('sandbox') as string,
      'cache-control': 'no-store',
    });
  });

  it('follows a running execution to its terminal event', async () => {
    const id = await service.execute('read/nap');
    const live: string[] = [];
    let sawRunning = false;
    for await (const { type, data } of streamEvents(`${service.url}/executions/${id}/events`)) {
      if (type === 'step_started' && data.node_name === 'nap')
        sawRunning = (await service.get(`/executions/${id}`)).json.status === 'running';
      live.push(type);
    }
    expect(sawRunning).toBe(true);
    expect(live).toEqual((await service.events(id)).map(({ event_type }) => event_type));
    expect(live.at(-1)).toBe('execution_completed');
  });

  it('lost halfway goes on without a gap', async () => {
    const id = await service.execute('read/nap');
    const seen: number[] = [];
    for await (const event of streamEvents(`${service.url}/executions/${id}/events`)) {
      seen.push(event.id);
      if (event.type === 'step_started') break;
    }
    seen.push(...(await collect(id, seen.at(-1))).map((event) => event.id));
    expect(seen).toEqual((await service.events(id)).map(({ seq }) => seq));
  });

  it('of nothing is an ordinary 404', async () => {
    const { status, json } = await service.get('/executions/4711/events', { accept: 'text/event-stream, application/problem+json' });
    expect([status, json.code]).toEqual([404, 'unknown_execution']);
  });
});
