import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { RegistrationService } from '../../src/catalog/registration.service.js';
import { type JsonObject } from '../../src/engine/values.js';
import { registerExamples } from '../../src/examples/shipped-examples.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let upstream: Server;
let origin: string;
beforeAll(async () => {
  upstream = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const body = Buffer.concat(chunks).toString();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ method, url, team: headers['x-team'] ?? null, body: body === '' ? null : JSON.parse(body) }));
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  service = await startTestService({ OUTBOUND_ALLOW: '127.0.0.1' });
  await registerExamples(service.app.get(RegistrationService, { strict: false }), SILENT_LOG);
});
afterAll(async () => {
  await service.stop();
  upstream.close();
});

const document = (kind: string, path: string, rest: JsonObject): string =>
  JSON.stringify({ apiVersion: 'noetl.io/v1', kind, metadata: { name: path.split('/').at(-1)!, path, version: '1.0.0' }, ...rest });
const wait = { prefer: 'wait=30' };
const execute = (body: JsonObject) => service.post('/execute', body, wait);
const validate = (args: JsonObject) => execute({ path: 'tools/data_validator', execution_type: 'tool', arguments: args });
const pointersOf = (json: JsonObject): unknown => (json.errors as JsonObject[]).map(({ pointer, code }) => [pointer, code]).sort();
const executions = async (): Promise<number> => ((await service.get('/executions?limit=500')).json as unknown as unknown[]).length;

describe('the validator that comes with the service', () => {
  it('is registered once, however often the service starts', async () => {
    const again = await registerExamples(service.app.get(RegistrationService, { strict: false }), SILENT_LOG);
    expect(again.map(({ entry, created }) => [entry.path, entry.kind, entry.version, created])).toEqual([
      ['examples/data_validator', 'Playbook', '2.0.0', false],
      ['tools/data_validator', 'Tool', '2.0.0', false],
      ['models/language_identification', 'Model', '1.0.0', false],
      ['models/sentiment_analysis', 'Model', '3.1.0', false],
      ['workflows/review_feedback', 'Workflow', '1.0.0', false],
      ['examples/store_feedback', 'Playbook', '1.0.0', false],
    ]);
  });

  it('checks a data set against all of its rules', async () => {
    const { json } = await validate({ dataset: 'orders' });
    const found = (json.result as { violations: JsonObject[] }).violations.map(({ row, column, rule, message }) => [
      row,
      column,
      rule,
      message,
    ]);
    expect(json.result).toMatchObject({ valid: false, checked: 3 });
    expect(found).toEqual([
      [2, 'total', 'ranges', 'must be at least 0'],
      [2, 'customer_id+placed_at', 'uniqueness', 'is the same as in row 1'],
      [3, 'lines', 'data_types', 'must be of type array'],
      [3, 'order_id', 'formats', 'must be a uuid'],
      [3, 'placed_at', 'formats', 'must be a date_time'],
    ]);
    expect((await validate({ dataset: 'products' })).json.result).toEqual({ valid: true, checked: 2, violations: [] });
    const customers = (await validate({ dataset: 'customers', rules: ['ranges', 'formats', { rule: 'uniqueness', fields: ['email'] }] }))
      .json;
    expect((customers.result as { violations: JsonObject[] }).violations.map(({ row, column, rule }) => [row, column, rule])).toEqual([
      [5, 'age', 'ranges'],
      [6, 'email', 'formats'],
      [6, 'country', 'formats'],
      [6, 'signed_up', 'formats'],
      [7, 'signed_up', 'ranges'],
      [7, 'email', 'uniqueness'],
    ]);
  });

  it('checks records of the caller by the rules of the caller', async () => {
    const { json } = await validate({
      records: [{ id: 1, n: 5, at: '2026-01-31' }, { id: 1, n: 'x', at: '2026-02-30' }, {}],
      rules: [
        { rule: 'required_fields', fields: ['id'] },
        { rule: 'data_types', types: { n: 'number' } },
        { rule: 'ranges', ranges: { n: { max: 4 } } },
        { rule: 'formats', formats: { at: 'date' } },
        { rule: 'uniqueness', fields: ['id'] },
      ],
    });
    expect(json.result).toEqual({
      valid: false,
      checked: 3,
      violations: [
        { row: 1, column: 'n', rule: 'ranges', message: 'must be at most 4', value: 5 },
        { row: 2, column: 'n', rule: 'data_types', message: 'must be of type number', value: 'x' },
        { row: 2, column: 'at', rule: 'formats', message: 'must be a date', value: '2026-02-30' },
        { row: 2, column: 'id', rule: 'uniqueness', message: 'is the same as in row 1', value: 1 },
        { row: 3, column: 'id', rule: 'required_fields', message: 'is missing', value: null },
      ],
    });
  });

  it('fails, in words, where a rule lacks its settings', async () => {
    const { json } = await validate({ records: [{}], rules: [{ rule: 'ranges' }] });
    expect([json.status, (json.error_details as JsonObject).code]).toEqual(['failed', 'child_failed']);
    expect(json.error).toContain('The rule ranges needs "ranges".');
  });

  it.each<[string, JsonObject, [string, string][]]>([
    ['an unknown data set', { dataset: 'people' }, [['/arguments/dataset', 'schema_violation']]],
    ['an unknown rule', { dataset: 'orders', rules: ['order'] }, [['/arguments/rules/0', 'schema_violation']]],
    [
      'several things',
      { dataset: 'orders', rules: [{ rule: 'ranges', ranges: { a: {} } }], colour: 1 },
      [
        ['/arguments/colour', 'schema_violation'],
        ['/arguments/rules/0/ranges/a', 'schema_violation'],
      ],
    ],
  ])('refuses %s with a pointer', async (_name, args, pointers) => {
    const { status, json } = await validate(args);
    expect([status, json.code]).toEqual([422, 'invalid_parameters']);
    expect((pointersOf(json) as unknown[][]).filter(([pointer]) => pointers.some(([wanted]) => wanted === pointer))).toEqual(pointers);
  });
});

describe('the door of a tool', () => {
  const tool = { path: 'tools/data_validator', version: '^2' };
  it.each<[string, string, JsonObject]>([
    ['at the root', '/execute', { ...tool, execution_type: 'tool', tool_name: 'data_validator', arguments: { dataset: 'products' } }],
    ['with the arguments as parameters', '/execute', { ...tool, execution_type: 'tool', parameters: { dataset: 'products' } }],
    ['without a type', '/execute', { ...tool, parameters: { dataset: 'products' } }],
    [
      'by id',
      '/executions/run',
      { playbook_id: 'tools/data_validator', execution_type: 'tool', parameters: { arguments: { dataset: 'products' } } },
    ],
    ['without rows', '/execute', { ...tool, execution_type: 'tool', arguments: { dataset: 'products' }, sync_to_postgres: false }],
  ])('takes a request %s', async (_name, url, body) => {
    const { status, json } = await service.post(url, body, wait);
    expect([status, json.execution_type, json.result]).toEqual([200, 'tool', { valid: true, checked: 2, violations: [] }]);
  });

  it('runs again with the same arguments', async () => {
    const { json } = await validate({ dataset: 'products' });
    const rerun = await service.post(`/executions/${String(json.execution_id)}/rerun`, {}, wait);
    expect(rerun.json.result).toEqual(json.result);
    const seen = await service.get(`/executions/${String(rerun.json.execution_id)}`);
    expect(seen.json).toMatchObject({ execution_type: 'tool', parameters: { dataset: 'products' } });
  });

  it.each<[string, JsonObject, string, [string, string][]]>([
    [
      'a playbook called as a tool',
      { path: 'examples/data_validator', execution_type: 'tool' },
      'execution_type_mismatch',
      [['/execution_type', 'execution_type_mismatch']],
    ],
    [
      'a tool called as a playbook',
      { ...tool, execution_type: 'playbook', parameters: { dataset: 'orders' } },
      'execution_type_mismatch',
      [['/execution_type', 'execution_type_mismatch']],
    ],
    [
      'a tool called as a model',
      { ...tool, execution_type: 'model', inputs: {} },
      'execution_type_mismatch',
      [['/execution_type', 'execution_type_mismatch']],
    ],
    [
      'another tool',
      { ...tool, execution_type: 'tool', tool_name: 'other', arguments: { dataset: 'orders' } },
      'unknown_tool',
      [['/tool_name', 'unknown_tool']],
    ],
    [
      'another tool inside',
      { ...tool, execution_type: 'tool', parameters: { tool_name: 'other', arguments: {} } },
      'unknown_tool',
      [['/parameters/tool_name', 'unknown_tool']],
    ],
    [
      'arguments inside that do not fit',
      { ...tool, execution_type: 'tool', parameters: { arguments: { dataset: 'products', x: 1 } } },
      'invalid_parameters',
      [['/parameters/arguments/x', 'schema_violation']],
    ],
    [
      'parameters that do not fit',
      { ...tool, parameters: { dataset: 'products', x: 1 }, sync_to_postgres: false },
      'invalid_parameters',
      [['/parameters/x', 'schema_violation']],
    ],
  ])('refuses %s, and stores nothing', async (_name, body, code, pointers) => {
    const before = await executions();
    const { status, json } = await execute(body);
    expect([status, json.code, pointersOf(json)]).toEqual([422, code, pointers]);
    expect(await executions()).toBe(before);
  });
});

describe('tools of other kinds', () => {
  it('calls an http endpoint with its arguments and answers the body', async () => {
    await service.register(
      document('Tool', 'tools/echo', {
        input_schema: { type: 'object', required: ['id'], properties: { id: { type: 'integer' }, team: { default: 'ops' } } },
        mcp: { tool_name: 'say.it' },
        spec: {
          serves: ['speak'],
          http: {
            method: 'POST',
            endpoint: `${origin}/things/{{ arguments.id }}`,
            headers: { 'X-Team': '{{ workload.team }}' },
            params: { q: '{{ arguments.id }}' },
            data: { body: { all: '{{ arguments }}' } },
          },
        },
      }),
    );
    for (const name of ['echo', 'speak', 'say.it']) {
      const { json } = await execute({ path: 'tools/echo', execution_type: 'tool', tool_name: name, arguments: { id: 7 } });
      expect(json.result).toEqual({ method: 'POST', url: '/things/7?q=7', team: 'ops', body: { all: { team: 'ops', id: 7 } } });
    }
    expect((await execute({ path: 'tools/echo', parameters: {} })).json).toMatchObject({
      code: 'invalid_parameters',
      errors: [{ pointer: '/parameters/id', message: 'is missing' }],
    });
  });

  it('fails an execution whose result is not what it promises', async () => {
    await service.register(
      document('Playbook', 'promises/number', {
        output_schema: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] },
        workflow: [
          { step: 'start', next: 'end' },
          { step: 'end', result: { n: '{{ workload.n }}' } },
        ],
      }),
    );
    expect((await execute({ path: 'promises/number', parameters: { n: 1 } })).json).toMatchObject({
      status: 'completed',
      result: { n: 1 },
    });
    const { json } = await execute({ path: 'promises/number', parameters: { n: 'one' } });
    expect(json).toMatchObject({ status: 'failed', result: null, error_details: { code: 'output_schema_mismatch', retryable: false } });
    expect(json.error).toBe('The result does not fit the output schema: /n must be number.');
    const memory = await execute({ path: 'promises/number', parameters: { n: [] }, sync_to_postgres: false });
    expect(memory.json).toMatchObject({ status: 'failed', error_details: { code: 'output_schema_mismatch' } });
  });

  const calling = (type: string, path: string, data: JsonObject): JsonObject => ({
    workflow: [
      { step: 'start', type, path, version: '^2', data, next: 'end' },
      { step: 'end', result: '{{ start }}' },
    ],
  });
  it('is called by a step, as an execution of its own', async () => {
    await service.register(
      document('Playbook', 'callers/tool', calling('tool', 'tools/data_validator', { dataset: '{{ workload.name }}' })),
    );
    const { json } = await execute({ path: 'callers/tool', parameters: { name: 'products' } });
    expect(json.result).toEqual({ valid: true, checked: 2, violations: [] });
    const children = (await service.get(`/executions?parent_execution_id=${String(json.execution_id)}`)).json as unknown as JsonObject[];
    expect(children.map(({ path, version, execution_type, parent_step }) => [path, version, execution_type, parent_step])).toEqual([
      ['tools/data_validator', '2.0.0', 'tool', 'start'],
    ]);
  });

  it('is called for each item of an iterator', async () => {
    const task = { type: 'tool', path: 'tools/data_validator', data: { dataset: '{{ name }}', rules: ['uniqueness'] } };
    const start = { step: 'start', type: 'iterator', collection: ['orders', 'products'], element: 'name', task, next: 'end' };
    await service.register(
      document('Playbook', 'callers/each', { workflow: [start, { step: 'end', result: "{{ start | map(attribute='checked') | list }}" }] }),
    );
    expect((await execute({ path: 'callers/each' })).json.result).toEqual([3, 2]);
  });

  it.each<[string, JsonObject, string]>([
    ['a tool as a playbook', calling('playbook', 'tools/data_validator', { dataset: 'orders' }), 'execution_type_mismatch'],
    ['a playbook as a tool', calling('tool', 'examples/data_validator', {}), 'execution_type_mismatch'],
    ['a tool with other arguments', calling('tool', 'tools/data_validator', { dataset: 7 }), 'invalid_parameters'],
  ])('fails the step that calls %s', async (name, rest, code) => {
    const path = `callers/${name.replaceAll(' ', '_')}`;
    await service.register(document('Playbook', path, rest));
    const { json } = await execute({ path });
    expect([json.status, (json.error_details as JsonObject).code, (json.error_details as JsonObject).step]).toEqual([
      'failed',
      code,
      'start',
    ]);
  });
});

describe('schemas', () => {
  it('are shown as declared, or as the workload tells', async () => {
    const declared = (await service.get('/catalog/schema?path=tools/data_validator&version=v2.0.0')).json;
    expect(declared).toMatchObject({
      path: 'tools/data_validator',
      version: '2.0.0',
      kind: 'Tool',
      inferred: false,
      output_schema: { required: ['valid', 'checked', 'violations'] },
    });
    const resource = (await service.get('/catalog/resource?path=tools/data_validator')).json;
    expect([resource.input_schema, resource.output_schema]).toEqual([declared.input_schema, declared.output_schema]);
    expect(resource).toMatchObject({ title: 'Data validator', annotations: { readOnlyHint: true, openWorldHint: false } });
    await service.register(
      document('Playbook', 'schemas/inferred', {
        workload: { n: 1, on: true, name: 'x', from: '{{ env.HOME }}', none: null, list: [1], deep: { a: 1, b: '{{ x }}' } },
        workflow: [{ step: 'start' }],
      }),
    );
    expect((await service.get('/catalog/schema?path=schemas/inferred')).json).toMatchObject({
      inferred: true,
      output_schema: null,
      input_schema: {
        type: 'object',
        properties: {
          n: { type: 'number', default: 1 },
          on: { type: 'boolean', default: true },
          name: { type: 'string', default: 'x' },
          from: {},
          none: {},
          list: { type: 'array', default: [1] },
          deep: { type: 'object', properties: { a: { type: 'number', default: 1 }, b: {} } },
        },
      },
    });
    expect((await execute({ path: 'schemas/inferred', parameters: { n: 'anything', more: 1 } })).json.status).toBe('completed');
    expect((await service.get('/catalog/schema?path=no/such')).json.code).toBe('unknown_playbook');
  });

  it('are listed by kind', async () => {
    const tools = (await service.get('/catalog/list?kind=tool')).json.entries as JsonObject[];
    expect(tools.map(({ path, kind }) => [path, kind])).toEqual([
      ['tools/data_validator', 'Tool'],
      ['tools/echo', 'Tool'],
    ]);
    const found = (await service.get('/catalog/search?q=data_validator')).json.entries as JsonObject[];
    expect(found.map(({ kind }) => kind)).toEqual(['Playbook', 'Tool']);
  });

  it('of what comes with the service have no word that JSON Schema does not know', async () => {
    const ajv = new Ajv2020({ strictSchema: true, strictTypes: false, strictRequired: false, validateFormats: false });
    const shipped = ((await service.get('/catalog/list?limit=500')).json.entries as JsonObject[])
      .map(({ path }) => String(path))
      .filter((path) => /^(examples|models|tools|workflows)\//.test(path));
    expect(shipped.length).toBeGreaterThan(5);
    for (const path of shipped) {
      const { input_schema: input, output_schema: output } = (await service.get(`/catalog/schema?path=${path}`)).json;
      for (const schema of [input, output])
        if (schema !== null) expect([path, typeof ajv.compile(schema as JsonObject)]).toEqual([path, 'function']);
    }
  });

  it('make an OpenAPI document in which parameters and result are types', async () => {
    const openApi = (await service.get('/catalog/openapi.json?path=tools/data_validator')).json as unknown as {
      openapi: string;
      info: JsonObject;
      paths: {
        '/execute': {
          post: {
            operationId: string;
            requestBody: { content: { 'application/json': { schema: JsonObject } } };
            responses: Record<string, { content: { 'application/json': { schema: JsonObject } } }>;
          };
        };
      };
      security: object;
      components: { schemas: Record<string, JsonObject>; securitySchemes: object };
    };
    expect([openApi.openapi, openApi.info]).toEqual(['3.1.0', expect.objectContaining({ title: 'Data validator', version: '2.0.0' })]);
    const { post } = openApi.paths['/execute'];
    expect(post.operationId).toBe('executeToolsDataValidator');
    // As the document of the whole API says it: with a token, where tokens are asked for.
    const whole = (await (await fetch(`${service.url}/openapi.json`)).json()) as typeof openApi;
    expect(openApi.security).toEqual(whole.security);
    expect(openApi.components.securitySchemes).toEqual(whole.components.securitySchemes);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const name of Object.keys(openApi.components.schemas))
      ajv.compile({ $ref: `#/components/schemas/${name}`, components: openApi.components });
    const request = ajv.compile({ ...post.requestBody.content['application/json'].schema, components: openApi.components });
    const body = {
      path: 'tools/data_validator',
      version: '2.0.0',
      execution_type: 'tool',
      parameters: { dataset: 'customers', rules: ['formats', { rule: 'ranges' }] },
    };
    expect([request(body), request.errors]).toEqual([true, null]);
    expect(request({ ...body, parameters: { dataset: 'people' } })).toBe(false);
    expect(request({ ...body, parameters: { dataset: 'customers', rules: ['none'] } })).toBe(false);
    const answer = await service.post('/execute', body, wait);
    const response = ajv.compile({ ...post.responses['200']!.content['application/json'].schema, components: openApi.components });
    expect([answer.status, response(answer.json), response.errors]).toEqual([200, true, null]);
    expect(response({ ...answer.json, result: { valid: 'no' } })).toBe(false);
  });
});
