import { Authentication } from '../../src/common/authentication.js';
import { ANONYMOUS, type Principal } from '../../src/common/principal.js';
import { type JsonObject } from '../../src/engine/values.js';
import { createTestDatabase } from '../support/database.js';
import { type SeenExecution, type TestAnswer } from '../support/http-client.js';
import { spawnService, startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let other: TestService;

/** A request in somebody's name. `scopes`: besides those of routes. */
const as = (subject: string, scopes = '', tenant = 'default'): Record<string, string> => ({
  'x-subject': subject,
  'x-scopes': scopes,
  'x-tenant': tenant,
});
const BOB = as('bob');
const ANN = as('ann');
const CARL = as('carl', 'finance');
const DORA = as('dora', 'finance legal');
const STRANGER = as('eve', 'marketing');

const document = (path: string, steps: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path}, version: 1.0.0 }
workload: { amount: 4200, patience: 1h, quorum: 1, who: [ann] }
workflow:
${steps}  - { step: end }
`;
const APPROVERS = 'approvers: { scopes: [finance], subjects: "{{ workload.who }}" }';
const PAY = `  - step: start
    type: approval
    title: "Pay {{ workload.amount }}?"
    message: "{{ workload.amount }} EUR to ACME"
    ${APPROVERS}
    quorum: "{{ workload.quorum }}"
    expires_in: "{{ workload.patience }}"
    data: { amount: "{{ workload.amount }}" }
    form:
      type: object
      required: [cost_center]
      properties: { cost_center: { type: string, pattern: '^K' } }
    next: [{ step: end, data: { paid: "{{ start.data.cost_center }}", decision: "{{ start.decision }}", by: "{{ start.decisions | length }}" } }]
`;
const PLAIN = (more = ''): string =>
  `  - { step: start, type: approval, title: Go, ${APPROVERS}${more}, next: [{ step: end, data: { went: true } }] }\n`;
const HANDLED = `  - step: start
    type: approval
    title: Go
    ${APPROVERS}
    expires_in: "{{ workload.patience }}"
    on_error: { step: end, data: { refused: "{{ error.code }}", why: "{{ error.message }}" } }
    on_timeout: { step: end, data: { late: "{{ error.code }}" } }
    next: [{ step: end, data: { went: true } }]
`;

const principalOf: Authentication['principalOf'] = ({ headers }): Principal =>
  headers['x-subject'] === undefined
    ? ANONYMOUS
    : {
        tenant: String(headers['x-tenant']),
        subject: String(headers['x-subject']),
        scopes: new Set([...ANONYMOUS.scopes, ...(String(headers['x-scopes']).split(' ') as never[])]),
      };

beforeAll(async () => {
  service = await startTestService({ MCP_CALL_SECONDS: '2' });
  other = await startTestService({}, service);
  for (const { app } of [service, other]) app.get(Authentication, { strict: false }).principalOf = principalOf;
  await service.register(document('approvals/pay', PAY));
  await service.register(document('approvals/plain', PLAIN()));
  await service.register(document('approvals/short', PLAIN(', expires_in: "{{ workload.patience }}"')));
  await service.register(document('approvals/handled', HANDLED));
});
afterAll(async () => {
  await other.stop();
  await service.stop();
});

const start = async (path: string, parameters: JsonObject = {}, headers = BOB, at = service): Promise<string> => {
  const { status, json } = await at.post('/execute', { path, parameters }, headers);
  expect(status).toBe(202);
  return json.id as string;
};
/** The newest approval of an execution, once it is there. */
const approvalOf = async (id: string, headers = ANN): Promise<JsonObject> => {
  for (;;) {
    const { json } = await service.get(`/approvals?execution_id=${id}`, headers);
    const [newest] = json as unknown as JsonObject[];
    if (newest) return newest;
  }
};
const decide = (approval: JsonObject | string, body: JsonObject, headers: Record<string, string>, at = service): Promise<TestAnswer> =>
  at.post(`/approvals/${typeof approval === 'string' ? approval : String(approval['id'])}`, body, headers);
const done = async (id: string, headers = BOB): Promise<SeenExecution> => {
  const { json } = await service.get(`/executions/${id}`, { ...headers, prefer: 'wait=40' });
  expect(json.status).toMatch(/completed|failed|cancelled/);
  return json as unknown as SeenExecution;
};
const read = async (approval: JsonObject, headers = ANN): Promise<JsonObject> =>
  (await service.get(`/approvals/${String(approval['id'])}`, headers)).json;
const eventsOf = async (id: string): Promise<string[]> => (await service.events(id)).map(({ event_type }) => event_type);

describe('an approval', () => {
  it('waits in a row, is decided by one of those that may, and hands on what they filled in', async () => {
    const id = await start('approvals/pay');
    const approval = await approvalOf(id);
    expect(approval).toMatchObject({
      execution_id: id,
      path: 'approvals/pay',
      version: '1.0.0',
      step: 'start',
      wave: 1,
      title: 'Pay 4200?',
      message: '4200 EUR to ACME',
      data: { amount: 4200 },
      form: { type: 'object', required: ['cost_center'] },
      approvers: { scopes: ['finance'], subjects: ['ann'] },
      quorum: 1,
      requested_by: 'bob',
      state: 'open',
      decisions: [],
      closed_at: null,
    });
    const { json } = await service.get(`/executions/${id}`, BOB);
    expect(json).toMatchObject({
      status: 'running',
      waiting_for: { kind: 'approval', name: 'start', approval_id: approval['id'], until: approval['expires_at'] },
    });
    const [row] = await query<Record<string, unknown>>(service.databaseUrl, `SELECT lease_token, attempts FROM execution WHERE id = ${id}`);
    expect(row).toEqual({ lease_token: null, attempts: 0 });
    const answer = await decide(approval, { decision: 'approve', comment: 'fine', data: { cost_center: 'K-17' } }, ANN, other);
    expect(answer).toMatchObject({
      status: 200,
      json: { state: 'approved', decisions: [{ by: 'ann', decision: 'approve', comment: 'fine', data: { cost_center: 'K-17' } }] },
    });
    expect(await done(id)).toMatchObject({ status: 'completed', result: { paid: 'K-17', decision: 'approved', by: 1 }, waiting_for: null });
    expect(await eventsOf(id)).toEqual([
      'execution_started',
      'step_waiting',
      'approval_decided',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
    const decided = (await service.events(id))[2]!;
    expect(decided).toMatchObject({
      node_name: 'start',
      meta: { by: 'ann', decision: 'approve', comment: 'fine', outcome: 'approved', approval_id: approval['id'] },
    });
    expect(await read(approval)).toEqual(answer.json);
  });

  it('needs as many different principals as its quorum says', async () => {
    const id = await start('approvals/pay', { quorum: 2 });
    const approval = await approvalOf(id);
    const yes = (n: number): JsonObject => ({ decision: 'approve', data: { cost_center: `K-${n}` } });
    expect(await decide(approval, yes(1), ANN)).toMatchObject({
      status: 200,
      json: { state: 'open', decisions: [{ by: 'ann' }], closed_at: null },
    });
    expect(await decide(approval, yes(2), ANN)).toMatchObject({ status: 409, json: { code: 'approval_already_decided' } });
    expect((await service.get(`/executions/${id}`, BOB)).json.status).toBe('running');
    expect(await decide(approval, yes(3), CARL, other)).toMatchObject({
      status: 200,
      json: { state: 'approved', decisions: [{ by: 'ann' }, { by: 'carl' }] },
    });
    expect(await decide(approval, yes(4), DORA)).toMatchObject({ status: 409, json: { code: 'approval_already_decided' } });
    expect(await done(id)).toMatchObject({ status: 'completed', result: { paid: 'K-3', by: 2 } });
    expect((await eventsOf(id)).filter((type) => type === 'approval_decided')).toHaveLength(2);
  });

  it('is ended by the first rejection, for which no form has to be filled in', async () => {
    const id = await start('approvals/pay', { quorum: 2 });
    const approval = await approvalOf(id);
    await decide(approval, { decision: 'approve', data: { cost_center: 'K' } }, ANN);
    expect(await decide(approval, { decision: 'reject', comment: 'too much' }, CARL)).toMatchObject({
      status: 200,
      json: { state: 'rejected' },
    });
    expect(await done(id)).toMatchObject({
      status: 'failed',
      error: 'carl rejected it: too much',
      error_details: {
        code: 'approval_rejected',
        step: 'start',
        step_type: 'approval',
        retryable: false,
        cause: { decision: 'rejected', decisions: [{ by: 'ann' }, { by: 'carl', comment: 'too much' }] },
      },
    });
    expect(await decide(approval, { decision: 'approve', data: { cost_center: 'K' } }, DORA)).toMatchObject({
      status: 409,
      json: { code: 'approval_already_decided' },
    });
  });

  it('that is rejected or not decided in time goes where on_error and on_timeout say', async () => {
    const rejected = await start('approvals/handled');
    await decide(await approvalOf(rejected), { decision: 'reject' }, CARL);
    expect(await done(rejected)).toMatchObject({ status: 'completed', result: { refused: 'approval_rejected', why: 'carl rejected it.' } });
    const late = await start('approvals/handled', { patience: '200ms' });
    expect(await done(late)).toMatchObject({ status: 'completed', result: { late: 'approval_expired' } });
    expect(await eventsOf(late)).toContain('step_timed_out');
    expect(await read(await approvalOf(late))).toMatchObject({ state: 'expired', closed_at: expect.any(String) as string });
  });

  it('expires where nobody decides it, and takes no decision from then on', async () => {
    const id = await start('approvals/short', { patience: '200ms' });
    expect(await done(id)).toMatchObject({ status: 'failed', error_details: { code: 'approval_expired', step: 'start' } });
    expect(await decide(await approvalOf(id), { decision: 'approve' }, ANN)).toMatchObject({
      status: 409,
      json: { code: 'approval_expired' },
    });
  });

  it('is for its approvers alone, and never for who started the execution', async () => {
    const id = await start('approvals/plain', { who: ['ann', 'bob'] });
    const approval = await approvalOf(id);
    for (const headers of [STRANGER, BOB, as('bob', 'finance')]) {
      expect(await decide(approval, { decision: 'approve' }, headers)).toMatchObject({
        status: 403,
        json: { code: 'approval_not_allowed' },
      });
    }
    expect(await decide(approval, { decision: 'approve' }, as('ann', 'finance', 'elsewhere'))).toMatchObject({
      status: 404,
      json: { code: 'unknown_approval' },
    });
    expect(await read(approval)).toMatchObject({ state: 'open', decisions: [] });
    await decide(approval, { decision: 'approve' }, ANN);
    expect(await done(id)).toMatchObject({ result: { went: true } });
  });

  it('has to be filled in as its form says', async () => {
    const approval = await approvalOf(await start('approvals/pay'));
    for (const [data, pointer] of [
      [{ cost_center: 'X' }, '/data/cost_center'],
      [{}, '/data/cost_center'],
      [undefined, '/data/cost_center'],
      ['K', '/data'],
    ] as const) {
      const answer = await decide(approval, { decision: 'approve', ...(data === undefined ? {} : { data }) }, ANN);
      expect(answer).toMatchObject({ status: 422, json: { code: 'schema_violation', errors: [{ pointer }] } });
    }
    expect(await decide(approval, { decision: 'perhaps' }, ANN)).toMatchObject({
      status: 422,
      json: { code: 'invalid_request', errors: [{ pointer: '/decision' }] },
    });
    expect(await read(approval)).toMatchObject({ state: 'open', decisions: [] });
  });

  it('is closed with its execution: cancelled, or failed elsewhere', async () => {
    const cancelled = await start('approvals/plain');
    const first = await approvalOf(cancelled);
    await service.post(`/executions/${cancelled}/cancel`, { reason: 'no' }, BOB);
    expect(await done(cancelled)).toMatchObject({ status: 'cancelled' });
    await service.register(
      document(
        'approvals/beside',
        `  - { step: start, next: [ask, nap] }\n  - { step: ask, type: approval, title: Go, ${APPROVERS}, next: [end] }\n` +
          `  - { step: nap, type: wait, duration: 300ms, next: [fails] }\n  - { step: fails, type: fail, message: no, next: [end] }\n`,
      ),
    );
    const failed = await start('approvals/beside');
    const second = await approvalOf(failed);
    expect(await done(failed)).toMatchObject({ status: 'failed', error_details: { step: 'fails' } });
    for (const approval of [first, second]) {
      expect(await read(approval)).toMatchObject({ state: 'cancelled', closed_at: expect.any(String) as string });
      expect(await decide(approval, { decision: 'approve' }, ANN)).toMatchObject({
        status: 409,
        json: { code: 'approval_already_decided' },
      });
    }
    expect(
      await query(
        service.databaseUrl,
        `SELECT FROM approval a JOIN execution e ON e.id = a.execution_id WHERE a.state = 'open' AND e.ended_at IS NOT NULL`,
      ),
    ).toEqual([]);
  });

  it('asks again where a loop leads back to it, and decisions of one round are none of the next', async () => {
    await service.register(
      document(
        'approvals/rounds',
        `  - { step: start, next: [ask] }\n  - step: ask\n    type: approval\n    title: "Round {{ ask.decisions | default([]) | length }}"\n    ${APPROVERS}\n` +
          `    next: [{ when: "{{ ask.data == 'again' }}", step: ask }, { else: { step: end, data: { by: "{{ ask.decisions[0].by }}" } } }]\n`,
      ),
    );
    const id = await start('approvals/rounds');
    const first = await approvalOf(id);
    await decide(first, { decision: 'approve', data: 'again' }, ANN);
    let second = first;
    while (second['id'] === first['id']) second = await approvalOf(id);
    expect(second).toMatchObject({ wave: 2, state: 'open', decisions: [] });
    await decide(second, { decision: 'approve' }, ANN);
    expect(await done(id)).toMatchObject({ status: 'completed', result: { by: 'ann' } });
  });

  it('takes decisions while its execution is paused, which goes on when it is resumed', async () => {
    const id = await start('approvals/plain');
    const approval = await approvalOf(id);
    await service.post(`/executions/${id}/pause`, {}, BOB);
    await service.waitEvent(id, ({ event_type }) => event_type === 'execution_paused');
    expect(await decide(approval, { decision: 'approve' }, ANN)).toMatchObject({ status: 200, json: { state: 'approved' } });
    await service.waitEvent(id, ({ event_type }) => event_type === 'approval_decided');
    expect((await service.get(`/executions/${id}`, BOB)).json.status).toBe('paused');
    await service.post(`/executions/${id}/resume`, undefined, BOB);
    expect(await done(id)).toMatchObject({ status: 'completed', result: { went: true } });
  });
});

describe('decisions at the same time', () => {
  it('come to exactly one outcome', async () => {
    for (let round = 0; round < 4; round++) {
      const id = await start('approvals/plain', { quorum: 2 });
      const approval = await approvalOf(id);
      const asked = Array.from({ length: 8 }, (_, n) => {
        const decision = round % 2 === 1 && n === 3 ? 'reject' : 'approve';
        return decide(approval, { decision }, as(`f${n}`, 'finance'), n % 2 === 0 ? service : other);
      });
      const answers = await Promise.all(asked);
      const end = await done(id);
      const after = await read(approval);
      const taken = answers.filter(({ status }) => status === 200);
      expect(answers.filter(({ status }) => status === 409).map(({ json }) => json.code)).toEqual(
        Array.from({ length: 8 - taken.length }, () => 'approval_already_decided'),
      );
      expect(after['decisions']).toHaveLength(taken.length);
      expect([after['state'], end.status]).toEqual(after['state'] === 'approved' ? ['approved', 'completed'] : ['rejected', 'failed']);
      expect((await eventsOf(id)).filter((type) => type === 'approval_decided')).toHaveLength(taken.length);
    }
  });

  it('and of the same principal are one', async () => {
    await service.register(document('approvals/two', PLAIN(', quorum: 2')));
    const id = await start('approvals/two');
    const approval = await approvalOf(id);
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => decide(approval, { decision: 'approve' }, ANN, n % 2 === 0 ? service : other)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409]);
    expect(await read(approval)).toMatchObject({ state: 'open', decisions: [{ by: 'ann' }] });
    await decide(approval, { decision: 'approve' }, CARL);
    expect(await done(id)).toMatchObject({ status: 'completed' });
  });

  it('as the time-out are in time or too late, never both', async () => {
    const ids = await Promise.all(Array.from({ length: 16 }, () => start('approvals/handled', { patience: '400ms' })));
    const outcomes = await Promise.all(
      ids.map(async (id, n) => {
        const approval = await approvalOf(id);
        const left = Date.parse(approval['expires_at'] as string) - Date.now();
        await new Promise((go) => setTimeout(go, Math.max(0, left - 12 + 2 * n)));
        const answer = await decide(approval, { decision: 'approve' }, ANN, n % 2 === 0 ? service : other);
        const end = await done(id);
        return [answer.status === 200 ? 'approved' : answer.json.code, end.result, (await read(approval))['state']];
      }),
    );
    for (const [answer, result, state] of outcomes) {
      expect([answer, result, state]).toEqual(
        answer === 'approved' ? ['approved', { went: true }, 'approved'] : ['approval_expired', { late: 'approval_expired' }, 'expired'],
      );
    }
  });
});

describe('GET /approvals', () => {
  it('lists what there is, by state, execution, path and who can decide it, page by page', async () => {
    await service.register(document('approvals/listed/one', PLAIN()));
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(await start('approvals/listed/one'));
    const all = [];
    for (const id of ids) all.push(await approvalOf(id));
    const list = async (filter: string, headers = ANN): Promise<unknown[]> =>
      ((await service.get(`/approvals?path=approvals/listed/*${filter}`, headers)).json as unknown as JsonObject[]).map(({ id }) => id);
    const newest = all.map(({ id }) => id).reverse();
    expect(await list('')).toEqual(newest);
    expect(await list('&mine=true')).toEqual(newest);
    expect(await list('&mine=true', BOB)).toEqual([]);
    expect(await list('&mine=true', STRANGER)).toEqual([]);
    expect(await list('', STRANGER)).toEqual(newest);
    expect(await list('', as('ann', 'finance', 'elsewhere'))).toEqual([]);
    expect(await service.get(`/approvals/${String(newest[0])}`, as('ann', '', 'elsewhere'))).toMatchObject({
      status: 404,
      json: { code: 'unknown_approval' },
    });
    const first = await service.get('/approvals?path=approvals/listed/one&limit=2', ANN);
    expect((first.json as unknown as JsonObject[]).map(({ id }) => id)).toEqual(newest.slice(0, 2));
    const rest = await service.get(`/approvals?path=approvals/listed/one&limit=2&cursor=${first.headers.get('x-next-cursor')}`, ANN);
    expect((rest.json as unknown as JsonObject[]).map(({ id }) => id)).toEqual(newest.slice(2));
    expect(rest.headers.get('link')).toBeNull();
    await decide(all[0]!, { decision: 'approve' }, ANN);
    expect(await list('&state=open')).toEqual(newest.slice(0, 2));
    expect(await list('&state=approved')).toEqual(newest.slice(2));
    expect(await list('&mine=true', CARL)).toEqual(newest.slice(0, 2));
    expect(await list('&state=expired')).toEqual([]);
    expect((await service.get('/approvals?execution_id=x', ANN)).json).toEqual([]);
    expect(await service.get('/approvals?state=shut', ANN)).toMatchObject({ status: 422 });
    expect(await service.get('/approvals?cursor=x', ANN)).toMatchObject({ status: 400, json: { code: 'invalid_cursor' } });
    for (const id of ['4611686018427387903', 'x'])
      expect(await service.get(`/approvals/${id}`, ANN)).toMatchObject({ status: 404, json: { code: 'unknown_approval' } });
  });

  it('and decisions need scopes of their own', async () => {
    const approval = await approvalOf(await start('approvals/plain'));
    const authentication = service.app.get(Authentication, { strict: false });
    authentication.principalOf = () => ({ tenant: 'default', subject: 'ann', scopes: new Set(['executions:read', 'executions:control']) });
    try {
      for (const answer of [
        await service.get('/approvals'),
        await service.get(`/approvals/${String(approval['id'])}`),
        await decide(approval, { decision: 'approve' }, {}),
      ])
        expect(answer).toMatchObject({ status: 403, json: { code: 'forbidden' } });
    } finally {
      authentication.principalOf = principalOf;
    }
  });
});

interface Tree {
  readonly root: { readonly children: readonly { readonly execution_id: string }[] };
}

describe('an execution that is made from another', () => {
  /** An approval, and behind it a step that fails unless `fixed`. */
  const FLOW = `  - { step: start, type: approval, title: Go, ${APPROVERS}, next: [work] }
  - { step: work, when: "{{ not workload.fixed }}", type: fail, message: no, next: [last] }
  - { step: last, type: approval, title: And then, ${APPROVERS}, next: [{ step: end, data: { by: "{{ start.decisions[0].by }}" } }] }
`;

  it('keeps the decisions of what completed, asks the rest anew, and is no way around the rule for who started it', async () => {
    await service.register(document('approvals/flow', FLOW));
    const id = await start('approvals/flow', { who: ['ann', 'bob', 'dan'] });
    await decide(await approvalOf(id), { decision: 'approve' }, ANN);
    expect(await done(id)).toMatchObject({ status: 'failed', error_details: { step: 'work' } });
    const retried = (await service.post(`/executions/${id}/retry`, undefined, as('dan'))).json.id as string;
    expect(await done(retried)).toMatchObject({ status: 'failed', error_details: { step: 'work' } });
    expect((await service.get(`/approvals?execution_id=${retried}`, ANN)).json).toEqual([]);

    const forked = (
      await service.post(
        `/executions/${id}/fork`,
        { from_step: 'work', parameters: { who: ['ann', 'bob', 'dan'], fixed: true } },
        as('dan'),
      )
    ).json.id as string;
    const last = await approvalOf(forked);
    expect(last).toMatchObject({ step: 'last', requested_by: 'dan' });
    for (const headers of [BOB, as('dan')]) expect(await decide(last, { decision: 'approve' }, headers)).toMatchObject({ status: 403 });
    expect(await decide(last, { decision: 'approve' }, ANN)).toMatchObject({ status: 200 });
    expect(await done(forked)).toMatchObject({ status: 'completed', result: { by: 'ann' } });

    const rerun = (await service.post(`/executions/${id}/rerun`, undefined, as('dan'))).json.id as string;
    const again = await approvalOf(rerun);
    expect(again).toMatchObject({ step: 'start', state: 'open', decisions: [] });
    expect(await decide(again, { decision: 'approve' }, BOB)).toMatchObject({ status: 403 });
    await service.post(`/executions/${rerun}/cancel`, {}, BOB);
  });

  it('and one that is called asks in the name of who started its caller', async () => {
    await service.register(
      document('approvals/caller', `  - { step: start, type: playbook, path: approvals/plain, data: { who: [ann, bob] }, next: [end] }\n`),
    );
    const id = await start('approvals/caller');
    const { json } = await service.get(`/executions/${id}/tree`, BOB);
    let tree = json as unknown as Tree;
    while (tree.root.children.length === 0) tree = (await service.get(`/executions/${id}/tree`, BOB)).json as unknown as Tree;
    const approval = await approvalOf(tree.root.children[0]!.execution_id);
    expect(approval).toMatchObject({ requested_by: 'bob', path: 'approvals/plain' });
    expect(await decide(approval, { decision: 'approve' }, BOB)).toMatchObject({ status: 403 });
    await decide(approval, { decision: 'approve' }, ANN);
    expect(await done(id)).toMatchObject({ status: 'completed' });
  });
});

describe('an MCP client', () => {
  const TASKS: JsonObject = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
  const send = async (method: string, params: JsonObject, capabilities: JsonObject): Promise<JsonObject> => {
    const response = await fetch(`${service.url}/mcp`, {
      method: 'POST',
      headers: {
        ...BOB,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        'mcp-name': String(params['name'] ?? params['taskId']),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 7,
        method,
        params: {
          ...params,
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientCapabilities': capabilities,
          },
        },
      }),
    });
    const text = await response.text();
    const data = text.split('\n').filter((line) => line.startsWith('data: '));
    return (JSON.parse(data.length > 0 ? data.at(-1)!.slice(6) : text) as { result: JsonObject }).result;
  };
  const newest = async (path: string): Promise<JsonObject> =>
    ((await service.get(`/approvals?path=${path}`, ANN)).json as unknown as JsonObject[])[0]!;

  it('whose call waits for an approval has a task that goes on, and is asked nothing', async () => {
    await service.register(document('approvals/tool', PLAIN()), {});
    const { taskId } = await send('tools/call', { name: 'approvals_tool', arguments: {} }, TASKS);
    const approval = await newest('approvals/tool');
    expect(await send('tasks/get', { taskId: taskId! }, TASKS)).toMatchObject({ status: 'working', statusMessage: expect.stringContaining('waits for approval start') as string }); // prettier-ignore
    await decide(approval, { decision: 'approve' }, ANN);
    expect(await done(String(approval['execution_id']))).toMatchObject({ status: 'completed' });
    expect(await send('tasks/get', { taskId: taskId! }, TASKS)).toMatchObject({
      status: 'completed',
      result: { structuredContent: { went: true } },
    });
  });

  it('that knows no tasks is told where its call goes on', async () => {
    const result = await send('tools/call', { name: 'approvals_tool', arguments: {} }, {});
    const approval = await newest('approvals/tool');
    expect(JSON.stringify(result)).toContain(String(approval['execution_id']));
    await decide(approval, { decision: 'reject' }, ANN);
    expect(await done(String(approval['execution_id']))).toMatchObject({ error_details: { code: 'approval_rejected' } });
  });
});

describe('where nobody is authenticated', () => {
  it('anybody may decide, and each call counts', async () => {
    const id = await service.execute('approvals/pay', { parameters: { quorum: 2 } });
    const approval = await approvalOf(id, {} as never);
    expect(approval).toMatchObject({ requested_by: null, quorum: 2 });
    const mine = (await service.get(`/approvals?execution_id=${id}&mine=true`)).json as unknown as JsonObject[];
    expect(mine.map((each) => each['id'])).toEqual([approval['id']]);
    expect((await service.get(`/approvals?execution_id=${id}&mine=true&state=approved`)).json).toEqual([]);
    const yes = { decision: 'approve', data: { cost_center: 'K' } };
    expect(await decide(approval, yes, {})).toMatchObject({ status: 200, json: { state: 'open' } });
    expect(await decide(approval, yes, {})).toMatchObject({
      status: 200,
      json: { state: 'approved', decisions: [{ by: 'anonymous' }, { by: 'anonymous' }] },
    });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
  });
});

it.each([
  ['no title', 'type: approval, approvers: { subjects: [a] }', 'missing_field'],
  ['no approvers', 'type: approval, title: t', 'missing_field'],
  ['nobody among them', 'type: approval, title: t, approvers: {}', 'missing_field'],
  ['a scope that is a template', 'type: approval, title: t, approvers: { scopes: ["{{ x }}"] }', 'invalid_value'],
  ['fewer approvers than have to agree', 'type: approval, title: t, approvers: { subjects: [a, a] }, quorum: 2', 'invalid_value'],
  ['a quorum of none', 'type: approval, title: t, approvers: { subjects: [a] }, quorum: 0', 'invalid_value'],
  ['no time at all', 'type: approval, title: t, approvers: { subjects: [a] }, expires_in: 0', 'invalid_value'],
  ['a form that is none', 'type: approval, title: t, approvers: { subjects: [a] }, form: { type: strange }', 'invalid_schema'],
  [
    'an iterator over it',
    'type: iterator, collection: [1], element: x, task: { type: approval, title: t, approvers: { subjects: [a] } }',
    'unsupported_construct',
  ],
])('a document with %s is refused', async (_name, step, code) => {
  const content = document('approvals/bad', `  - { step: start, ${step}, next: [end] }\n`);
  const { status, json } = await service.post('/catalog/register', { content });
  expect([status, (json.errors as { code: string }[])[0]?.code]).toEqual([422, code]);
});

it('a step that nobody could approve fails at once', async () => {
  await service.register(
    document(
      'approvals/nobody',
      `  - { step: start, type: approval, title: Go, approvers: { subjects: "{{ workload.who }}" }, next: [end] }\n`,
    ),
  );
  for (const who of [['bob'], [], 'no list']) {
    const id = await start('approvals/nobody', { who });
    if (who === 'no list') await decide(await approvalOf(id), { decision: 'approve' }, as('no list'));
    expect(await done(id)).toMatchObject(
      who === 'no list' ? { status: 'completed' } : { status: 'failed', error_details: { code: 'invalid_value', step: 'start' } },
    );
  }
});

it('without rows nobody could be asked', async () => {
  const answer = await service.post('/execute', { path: 'approvals/plain', sync_to_postgres: false }, BOB);
  expect(answer).toMatchObject({ status: 422, json: { code: 'not_durable_unsupported' } });
});

it('a node that is killed loses nothing of it', async () => {
  const database = await createTestDatabase();
  const env = { DATABASE_URL: database.url, LEASE_SECONDS: '2' };
  const first = await spawnService(env);
  await first.register(document('approvals/two', PLAIN(', quorum: 2')));
  const id = await first.execute('approvals/two');
  await first.waitEvent(id, ({ event_type }) => event_type === 'step_waiting');
  const [{ id: approval } = { id: '' }] = (await first.get('/approvals')).json as unknown as { id: string }[];
  expect(await first.post(`/approvals/${approval}`, { decision: 'approve' })).toMatchObject({ status: 200, json: { state: 'open' } });
  await first.end('SIGKILL');
  const second = await spawnService(env);
  expect((await second.get(`/approvals/${approval}`)).json).toMatchObject({ state: 'open', decisions: [{ by: 'anonymous' }] });
  expect(await second.post(`/approvals/${approval}`, { decision: 'approve' })).toMatchObject({ status: 200, json: { state: 'approved' } });
  expect(await second.waitDone(id)).toMatchObject({ status: 'completed', result: { went: true } });
  const events = (await second.events(id)).filter(({ event_type }) => event_type === 'approval_decided');
  expect(events.map(({ meta }) => meta['outcome'])).toEqual([undefined, 'approved']);
  await second.end('SIGTERM');
  await database.drop();
});
