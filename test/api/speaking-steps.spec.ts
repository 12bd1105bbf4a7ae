import { createTestDatabase } from '../support/database.js';
import { type SeenEvent, type TestAnswer } from '../support/http-client.js';
import { type ServiceProcess, spawnService, startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let other: TestService;

const document = (path: string, rest: string, kind = 'Playbook'): string =>
  `apiVersion: noetl.io/v1\nkind: ${kind}\nmetadata: { name: ${path.split('/').at(-1)}, path: ${path} }\n${rest}`;
const FORM = `method: elicitation/create, params: { message: "For {{ workload.who }}?", requestedSchema: { type: object, required: [n], properties: { n: { type: integer }, password: { type: string } } } }`;
const ASK = `workflow:
  - { step: start, next: [ask] }
  - step: ask
    type: input
    requests: { count: { ${FORM} } }
    timeout: "{{ workload.patience | default('7d') }}"
    on_timeout: { step: end, data: { late: "{{ error.code }}" } }
    next: [{ when: "{{ ask.count.content.n < 2 }}", step: ask }, { else: { step: end, data: { n: "{{ ask.count.content.n }}", action: "{{ ask.count.action }}" } } }]
  - { step: end }
`;
const PNG = Buffer.from(Array.from({ length: 600_000 }, (_, at) => at % 251)).toString('base64');

beforeAll(async () => {
  service = await startTestService();
  other = await startTestService({}, service);
  await service.register(document('speaking/ask', ASK));
  await service.register(
    document(
      'speaking/report',
      `workflow:
  - { step: start, type: progress, progress: 1, total: 4, message: "a {{ workload.what }}", next: [note] }
  - { step: note, type: log, level: warning, logger: billing, message: hm, data: { password: x, seen: [1] }, next: [each] }
  - step: each
    type: iterator
    collection: [1, 2]
    element: n
    task:
      - { type: progress, progress: "{{ n }}", total: 2 }
      - { type: log, message: "item {{ n }}" }
    next: [stop]
  - { step: stop, type: fail, code: out_of_stock, message: no bread, details: { shelf: 7 } }
`,
    ),
  );
  await service.register(document('speaking/level', `workflow: [{ step: start, type: log, message: x, level: "{{ workload.level }}" }]\n`));
  await service.register(document('speaking/nap', `workflow: [{ step: start, type: wait, duration: "{{ workload.nap }}" }]\n`));
});
afterAll(async () => {
  await other.stop();
  await service.stop();
});

const waiting = async (id: string, wave = 1): Promise<Record<string, unknown>> => {
  await service.waitEvent(id, (event) => event.event_type === 'step_waiting' && (event as unknown as { wave: number }).wave === wave);
  return (await service.get(`/executions/${id}`)).json.waiting_for as Record<string, unknown>;
};
const signal = (id: string, payload: unknown, name = 'ask', node: TestService | ServiceProcess = service): Promise<TestAnswer> =>
  node.post(`/executions/${id}/signal`, { name, payload });
const answer = (n: unknown): object => ({ count: { action: 'accept', content: { n } } });

describe('progress, log and fail', () => {
  it('are told in the history and on its stream, and the failure has the code of its author', async () => {
    const id = await service.execute('speaking/report', { parameters: { what: 'start' } });
    const ended = await service.waitDone(id);
    expect(ended).toMatchObject({
      status: 'failed',
      error: 'no bread',
      error_details: { code: 'out_of_stock', step: 'stop', step_type: 'fail', retryable: false, cause: { shelf: 7 } },
    });
    const events = (await service.events(id)).filter(({ event_type: type }) => type === 'step_progress' || type === 'step_log');
    expect(events.map(({ event_type: type, node_name: step, status, meta }) => [type, step, status, meta])).toEqual([
      ['step_progress', 'start', 'RUNNING', { progress: 1, total: 4, message: 'a start' }],
      ['step_log', 'note', 'RUNNING', { level: 'warning', logger: 'billing', message: 'hm', data: { password: '[REDACTED]', seen: [1] } }],
      ['step_progress', 'each', 'RUNNING', { progress: 1, total: 2, path: '0/t0' }],
      ['step_log', 'each', 'RUNNING', { level: 'info', message: 'item 1', path: '0/t1' }],
      ['step_progress', 'each', 'RUNNING', { progress: 2, total: 2, path: '1/t0' }],
      ['step_log', 'each', 'RUNNING', { level: 'info', message: 'item 2', path: '1/t1' }],
    ]);
    const stream = await (await fetch(`${service.url}/executions/${id}/events`, { headers: { accept: 'text/event-stream' } })).text();
    expect([...stream.matchAll(/^event: (step_progress|step_log)$/gm)].length).toBe(6);
    const { steps } = (await service.get(`/executions/${id}/steps`)).json as {
      steps: { step: string; status: string; started_at: string | null }[];
    };
    expect(steps.map(({ step, status }) => [step, status])).toEqual([
      ['start', 'COMPLETED'],
      ['note', 'COMPLETED'],
      ['each', 'COMPLETED'],
      ['stop', 'FAILED'],
    ]);
    expect(steps[0]!.started_at).not.toBeNull();
  });

  it('a level that is none fails the step', async () =>
    expect(await service.waitDone(await service.execute('speaking/level', { parameters: { level: 'loud' } }))).toMatchObject({
      status: 'failed',
      error_details: { code: 'invalid_value', step: 'start' },
    }));

  it.each([
    ['an unknown level', 'type: log, message: x, level: loud', 'invalid_value', '/workflow/0/level'],
    ['a total below the progress', 'type: progress, progress: 2, total: 1', 'invalid_value', '/workflow/0/total'],
    ['a code with a blank', 'type: fail, message: x, code: a b', 'invalid_value', '/workflow/0/code'],
    ['requests that are a list', 'type: input, requests: [a]', 'invalid_type', '/workflow/0/requests'],
    ['an unknown method', 'type: input, requests: { a: { method: tools/call } }', 'invalid_value', '/workflow/0/requests/a/method'],
  ])('a document with %s is refused', async (_name, step, code, pointer) => {
    const content = document('speaking/bad', `workflow:\n  - { step: start, ${step} }\n`);
    expect(await service.post('/catalog/register', { content })).toMatchObject({ status: 422, json: { errors: [{ code, pointer }] } });
  });
});

describe('input', () => {
  it('shows what it asks, is answered on any node, and asks again where a loop leads back', async () => {
    const id = await service.execute('speaking/ask', { parameters: { who: 'Ann' } });
    const asked = {
      count: {
        method: 'elicitation/create',
        params: {
          message: 'For Ann?',
          requestedSchema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' }, password: { type: 'string' } } },
        },
      },
    };
    expect(await waiting(id)).toMatchObject({ kind: 'input', name: 'ask', requests: asked, until: expect.any(String) as string });
    const listed = (await service.get('/executions?path=speaking/ask&limit=1')).json as unknown as { waiting_for: object }[];
    expect(listed[0]!.waiting_for).toMatchObject({ kind: 'input', requests: null });
    expect((await signal(id, answer(1), 'ask', other)).status).toBe(202);
    expect(await waiting(id, 2)).toMatchObject({ kind: 'input', requests: asked });
    expect((await signal(id, answer(2))).status).toBe(202);
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { n: 2, action: 'accept' }, waiting_for: null });
    // Nothing asks any more.
    expect(await signal(id, answer(2))).toMatchObject({ status: 409, json: { code: 'already_completed' } });
  });

  it.each<[string, unknown, string]>([
    ['no mapping', 'yes', '/payload'],
    ['nothing', {}, '/payload/count'],
    ['more than was asked', { ...answer(1), more: 1 }, '/payload/more'],
    ['no action', { count: { content: { n: 1 } } }, '/payload/count/action'],
    ['content that does not fit', answer('one'), '/payload/count/content/n'],
    ['no content', { count: { action: 'accept' } }, '/payload/count/content/n'],
  ])('an answer with %s is refused and changes nothing', async (_name, payload, pointer) => {
    const id = await service.execute('speaking/ask');
    await waiting(id);
    const before = await service.events(id);
    expect(await signal(id, payload)).toMatchObject({ status: 422, json: { code: 'schema_violation', errors: [{ pointer }] } });
    expect(await service.events(id)).toEqual(before);
  });

  it('a step that does not ask is told nothing, now or later', async () => {
    const later = `workflow:
  - { step: start, type: wait_for, name: go, next: [ask] }
  - { step: ask, type: input, requests: { where: { method: roots/list } }, timeout: 1s, next: [end] }
  - { step: end }
`;
    await service.register(document('speaking/later', later));
    const id = await service.execute('speaking/later');
    await service.waitEvent(id, ({ event_type: type }) => type === 'step_waiting');
    expect(await signal(id, { where: { roots: [] } })).toMatchObject({ status: 409, json: { code: 'input_not_asked' } });
    expect(await signal(id, {}, 'start')).toMatchObject({ status: 422, json: { code: 'unknown_signal', errors: [{ pointer: '/name' }] } });
    await signal(id, null, 'go');
    expect(await service.waitDone(id)).toMatchObject({ status: 'failed', error_details: { code: 'signal_timeout', step: 'ask' } });
  });

  it('answers that come at once are one answer to one round', async () => {
    const id = await service.execute('speaking/ask');
    await waiting(id);
    const statuses = (await Promise.all([0, 1, -1, 0, 1].map((n, at) => signal(id, answer(n), 'ask', at % 2 ? other : service)))).map(
      ({ status }) => status,
    );
    expect(statuses).toContain(202);
    await service.post(`/executions/${id}/cancel`);
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
    const events = (await service.events(id)) as (SeenEvent & { wave: number })[];
    const received = events.filter(({ event_type: type }) => type === 'signal_received');
    expect(received).toHaveLength(statuses.filter((status) => status === 202).length);
    const rounds = events.filter(({ event_type: type, node_name: step }) => type === 'step_completed' && step === 'ask');
    expect(rounds.length).toBeGreaterThan(0);
    for (const { wave, result } of rounds) expect(received.find((event) => event.wave === wave)!.result).toEqual(result);
  });

  it('goes where on_timeout says', async () =>
    expect(await service.waitDone(await service.execute('speaking/ask', { parameters: { patience: '200ms' } }))).toMatchObject({
      status: 'completed',
      result: { late: 'signal_timeout' },
    }));

  it('is refused without rows', async () =>
    expect(await service.post('/execute', { path: 'speaking/ask', sync_to_postgres: false })).toMatchObject({
      status: 422,
      json: { code: 'not_durable_unsupported' },
    }));

  it('survives the node that asked', async () => {
    const database = await createTestDatabase();
    const nodes: ServiceProcess[] = [];
    const node = async (): Promise<ServiceProcess> => {
      nodes.push(await spawnService({ DATABASE_URL: database.url, LEASE_SECONDS: '2' }));
      return nodes.at(-1)!;
    };
    try {
      const first = await node();
      await first.register(document('speaking/ask', ASK));
      // Short enough to stay in the memory of its node, which holds the lease.
      const id = await first.execute('speaking/ask', { parameters: { patience: '4s' } });
      await first.waitEvent(id, ({ event_type: type }) => type === 'step_waiting');
      const long = await first.execute('speaking/ask');
      await first.waitEvent(long, ({ event_type: type }) => type === 'step_waiting');
      const second = await node();
      await first.end('SIGKILL');
      expect((await second.get(`/executions/${long}`)).json.waiting_for).toMatchObject({ kind: 'input', name: 'ask' });
      expect((await signal(long, answer(5), 'ask', second)).status).toBe(202);
      expect(await second.waitDone(long)).toMatchObject({ status: 'completed', result: { n: 5 } });
      expect(await second.waitDone(id)).toMatchObject({ status: 'completed', result: { late: 'signal_timeout' } });
      expect((await second.events(id)).filter(({ event_type: type }) => type === 'step_waiting')).toHaveLength(1);
    } finally {
      for (const each of nodes.slice(1)) await each.end('SIGTERM');
      await database.drop();
    }
  }, 120_000);
});

it.each([
  ['in memory', '4s'],
  ['that costs a row', '1h'],
])('a cancel ends a wait %s at once', async (_name, nap) => {
  const id = await service.execute('speaking/nap', { parameters: { nap } });
  await waiting(id);
  expect((await service.post(`/executions/${id}/cancel`)).status).toBe(202);
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  const events = await service.events(id);
  expect(events.map(({ event_type: type }) => type)).toEqual([
    'execution_started',
    'step_waiting',
    'cancel_requested',
    'step_skipped',
    'execution_cancelled',
  ]);
  const { due_at: due } = events[1]!.meta as { due_at: string };
  expect(Date.parse(events[4]!.created_at)).toBeLessThan(Date.parse(due));
});

describe('content', () => {
  it('blocks with binary data go through results unchanged, from the document and from steps', async () => {
    await service.register(
      document(
        'speaking/content',
        `workload: { png: aGVsbG8= }
workflow:
  - { step: start, type: python, code: "def main(seen):\\n  return {'wav': seen}", data: { seen: "{{ workload.wav }}" }, next: [end] }
  - step: end
    result:
      $mcp:
        content:
          - { type: text, text: "{{ workload.wav | length }} characters" }
          - { type: image, data: "{{ workload.png }}", mimeType: image/png }
          - { type: audio, data: "{{ start.wav }}", mimeType: audio/wav }
          - { type: resource, resource: { uri: "test://a", mimeType: text/plain, blob: "{{ 'hi' | b64encode }}" } }
        structuredContent: { size: "{{ workload.wav | length }}" }
        isError: true
`,
      ),
    );
    const id = await service.execute('speaking/content', { parameters: { wav: PNG } });
    const { result } = await service.waitDone(id);
    expect(result).toEqual({ $ref: `/executions/${id}/result` });
    expect((await service.get(`/executions/${id}/result`)).json).toEqual({
      $mcp: {
        content: [
          { type: 'text', text: '800000 characters' },
          { type: 'image', data: 'aGVsbG8=', mimeType: 'image/png' },
          { type: 'audio', data: PNG, mimeType: 'audio/wav' },
          { type: 'resource', resource: { uri: 'test://a', mimeType: 'text/plain', blob: 'aGk=' } },
        ],
        structuredContent: { size: 800_000 },
        isError: true,
      },
    });
  });
});

describe('prompts and resources', () => {
  it('run through the same door, with and without rows, and keep their contracts', async () => {
    const prompt = `arguments: [{ name: code, required: true }]\nmessages: [{ content: "Look: {{ arguments.code }}" }]\n`;
    expect(await service.register(document('speaking/review', prompt, 'Prompt'))).toMatchObject({ kind: 'Prompt' });
    const messages = { messages: [{ role: 'user', content: { type: 'text', text: 'Look: {{ 1 }}' } }] };
    for (const durable of [true, false]) {
      const parameters = { code: '{{ 1 }}' };
      const start = { path: 'speaking/review', parameters, sync_to_postgres: durable };
      expect((await service.post('/execute?wait=30', start)).json).toMatchObject({ status: 'completed', result: messages });
    }
    expect(await service.post('/execute', { path: 'speaking/review' })).toMatchObject({
      status: 422,
      json: { code: 'invalid_parameters' },
    });
    await service.register(document('speaking/thing', `uri_template: test://thing/{id}\ntext: "{{ arguments.id }}"\n`, 'Resource'));
    const id = await service.execute('speaking/thing', { parameters: { id: 'a b' } });
    expect(await service.waitDone(id)).toMatchObject({ result: { contents: [{ uri: 'test://thing/a%20b', text: 'a b' }] } });
    const [row] = await query<{ kind: string; resource: unknown }>(
      service.databaseUrl,
      `SELECT kind, normalised::jsonb -> 'resource' AS resource FROM playbook WHERE path = 'speaking/thing'`,
    );
    expect(row).toEqual({ kind: 'Resource', resource: { uri: null, uriTemplate: 'test://thing/{id}', mimeType: null } });
  });
});
