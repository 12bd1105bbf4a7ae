import { type JsonObject } from '../../src/engine/values.js';
import { routingPlaybook } from '../support/documents.js';
import { type RequestBody, type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { countRows } from '../support/sql.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await service.register(routingPlaybook('bad/input'), { version: '1.0.0' });
});
afterAll(() => service.stop());

interface Bad {
  readonly method?: string;
  readonly url?: string;
  readonly body?: RequestBody;
  readonly headers?: Record<string, string>;
}

const GOOD = { path: 'bad/input' };
const nested = (depth: number): string => `{"path":"bad/input","parameters":${'{"a":'.repeat(depth - 1)}1${'}'.repeat(depth - 1)}}`;
const START = '  - step: start\n    next: [end]\n';
const END = '  - step: end\n';
const documentOf = (steps: string, rest = ''): JsonObject => ({
  content: `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: broken, path: bad/broken }\n${rest}workflow:\n${steps}`,
});

const STARTS: readonly [string, Bad, number, string][] = [
  ['an unknown path', { body: { path: 'bad/nothing' } }, 404, 'unknown_playbook'],
  ['an unknown path by id', { url: '/executions/run', body: { playbook_id: 'bad/nothing' } }, 404, 'unknown_playbook'],
  ['an unknown catalog id', { url: '/executions/run', body: { playbook_id: '123456789' } }, 404, 'unknown_playbook'],
  ['a catalog id beyond 63 bits', { url: '/executions/run', body: { playbook_id: '9'.repeat(30) } }, 404, 'unknown_playbook'],
  ['an unknown version', { body: { ...GOOD, version: '7.0.0' } }, 404, 'unknown_version'],
  ['an unknown revision', { body: { ...GOOD, version: 99 } }, 404, 'unknown_version'],
  ['a range that nothing matches', { body: { ...GOOD, version: '^2.0.0' } }, 404, 'unknown_version'],
  ['a version that is none', { body: { ...GOOD, version: 'one dot two' } }, 422, 'invalid_version'],
  ['a path beyond the grammar', { body: { path: '../../etc/passwd' } }, 422, 'invalid_path'],
  ['SQL as a path', { body: { path: "x'; DROP TABLE playbook; --" } }, 422, 'invalid_path'],
  ['no path', { body: {} }, 422, 'invalid_request'],
  ['no playbook_id', { url: '/executions/run', body: {} }, 422, 'invalid_request'],
  ['an unknown field', { body: { ...GOOD, colour: 'red' } }, 422, 'invalid_request'],
  ['a list as parameters', { body: { ...GOOD, parameters: [] } }, 422, 'invalid_request'],
  ['a list as parameters by id', { url: '/executions/run', body: { playbook_id: 'bad/input', parameters: [] } }, 422, 'invalid_request'],
  ['a text as parameters', { body: { ...GOOD, parameters: 'x' } }, 422, 'invalid_request'],
  ['a number as path', { body: { path: 1.5 } }, 422, 'invalid_request'],
  ['a text as merge', { body: { ...GOOD, merge: 'true' } }, 422, 'invalid_request'],
  ['a list as metadata', { body: { ...GOOD, metadata: ['x'] } }, 422, 'invalid_request'],
  ['an unknown type', { body: { ...GOOD, execution_type: 'job' } }, 422, 'invalid_request'],
  ['another type than the entry’s', { body: { ...GOOD, execution_type: 'workflow' } }, 422, 'execution_type_mismatch'],
  ['two names that differ', { body: { ...GOOD, parameters: { a: 1 }, workload: { a: 2 } } }, 422, 'ambiguous_field'],
  ['a body that is a list', { body: [] }, 422, 'invalid_request'],
  ['a body that is null', { body: 'null' }, 422, 'invalid_request'],
  ['malformed JSON', { body: '{"path": "bad/input",' }, 400, 'malformed_json'],
  ['no body', {}, 400, 'malformed_json'],
  ['bytes that are no UTF-8', { body: Uint8Array.of(0x7b, 0xff, 0x7d) }, 400, 'malformed_json'],
  ['seventy levels', { body: nested(70) }, 400, 'depth_exceeded'],
  ['too many values', { body: { ...GOOD, parameters: { list: Array.from({ length: 60_000 }, () => 0) } } }, 400, 'too_many_nodes'],
  ['NUL in a text', { body: '{"path":"bad/input","parameters":{"x":"a\\u0000b"}}' }, 400, 'invalid_unicode'],
  ['NUL in a key', { body: '{"path":"bad/input","parameters":{"a\\u0000b":1}}' }, 400, 'invalid_unicode'],
  ['half a character', { body: '{"path":"bad/input","parameters":{"x":"\\ud800"}}' }, 400, 'invalid_unicode'],
  ['__proto__', { body: '{"path":"bad/input","parameters":{"__proto__":{"admin":true}}}' }, 400, 'forbidden_key'],
  ['__proto__ in disguise', { body: '{"path":"bad/input","parameters":{"\\u005f_proto__":{}}}' }, 400, 'forbidden_key'],
  ...['constructor', 'prototype', 'then', 'toString', 'hasOwnProperty'].flatMap((key): [string, Bad, number, string][] =>
    [{ parameters: { [key]: 'x' } }, { metadata: { a: [{ [key]: { a: 1 } }] } }, { context: { [key]: 'x' } }, { colour: { [key]: 1 } }].map(
      (fields) => [`${JSON.stringify(fields)} beside another mistake`, { body: { ...GOOD, ...fields, bad: 1 } }, 422, 'invalid_request'],
    ),
  ),
  ['constructor as a state', { method: 'GET', url: '/executions?status=constructor' }, 422, 'invalid_request'],
  [
    'constructor as a state of a bulk operation',
    { url: '/bulk-operations', body: { action: 'cancel', filter: { status: 'constructor' } } },
    422,
    'invalid_request',
  ],
  [
    'constructor in the filter of a bulk operation',
    { url: '/bulk-operations', body: { action: 'cancel', filter: { metadata: { constructor: 1 }, ids: [{ constructor: 1 }] } } },
    422,
    'invalid_request',
  ],
  ['an integer beyond a double', { body: '{"path":"bad/input","parameters":{"x":9007199254740993}}' }, 400, 'unsafe_number'],
  ['a body of 2 MiB', { body: { ...GOOD, parameters: { x: 'x'.repeat(2 * 1024 * 1024) } } }, 413, 'body_too_large'],
  ['text', { body: 'path=bad/input', headers: { 'content-type': 'text/plain' } }, 415, 'unsupported_media_type'],
  ['a form', { body: 'path=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415, 'unsupported_media_type'],
  ['an unknown preference value', { body: GOOD, headers: { prefer: 'wait=soon' } }, 400, 'invalid_header'],
  ['an answer nobody can give', { body: GOOD, headers: { accept: 'image/png' } }, 406, 'not_acceptable'],
  ['another method', { method: 'PUT', body: GOOD }, 405, 'method_not_allowed'],
  ['GET', { method: 'GET' }, 405, 'method_not_allowed'],
  ['DELETE of all', { method: 'DELETE', url: '/executions' }, 405, 'method_not_allowed'],
  ['an unknown route', { url: '/execute/now', body: GOOD }, 404, 'not_found'],
  ['an id that is none', { url: '/executions/exec_789/cancel' }, 404, 'unknown_execution'],
  ['an id with NUL', { url: '/executions/1%002/cancel' }, 404, 'unknown_execution'],
  ['an id beyond 63 bits', { url: '/executions/9223372036854775808/cancel' }, 404, 'unknown_execution'],
  ['an id nobody gave', { url: '/executions/4711/cancel' }, 404, 'unknown_execution'],
];

/** Not a trace of how the service is built. */
function expectProblem(answer: TestAnswer, status: number, code: string): void {
  expect([answer.status, answer.json.code]).toEqual([status, code]);
  expect(answer.text).not.toMatch(/\bat \S+ \(|node_modules|\.[cm]?[jt]s\b|SELECT |INSERT /);
}

const send = ({ method = 'POST', url = '/execute', body, headers }: Bad): Promise<TestAnswer> => {
  const type: Record<string, string> = body === undefined && method === 'POST' ? { 'content-type': 'application/json' } : {};
  return service.request(method, url, body, { ...type, ...headers });
};

describe('a bad start', () => {
  it.each(STARTS)('%s', async (_name, bad, status, code) => {
    const before = await countRows(service.databaseUrl);
    expectProblem(await send(bad), status, code);
    expect(await countRows(service.databaseUrl)).toEqual(before);
  });

  it('says where', async () => {
    const { json } = await send({ body: { path: 1.5, merge: 'x', context: { parent: 1 } } });
    expect((json.errors as { pointer: string; code: string }[]).map(({ pointer, code }) => `${pointer} ${code}`).sort()).toEqual([
      '/context/parent unknown_field',
      '/merge invalid_type',
      '/path invalid_type',
    ]);
  });

  it.each([
    ['/execute', { ...GOOD, version: 'one dot two' }, '/version'],
    ['/execute', { path: 'a//b' }, '/path'],
    ['/execute', { path: 'bad/input@one dot two' }, '/path'],
    ['/executions/run', { playbook_id: 'a//b' }, '/playbook_id'],
    ['/executions/run', { playbook_id: 'bad/input', version: '>>1' }, '/version'],
    ['/catalog/register', { ...documentOf('  - step: start\n'), version: 'soon' }, '/version'],
    ['/catalog/register', { ...documentOf('  - step: start\n'), tags: ['fine', 'v1'] }, '/tags/1'],
  ])('of %s with %j says where: %s', async (url, body, pointer) => {
    const { status, json } = await service.post(url, body);
    expect([status, (json.errors as JsonObject[]).map((error) => [error.pointer, error.code])]).toEqual([422, [[pointer, json.code]]]);
  });

  it.each([
    ['/catalog/resolve?path=bad/input&version=>>1', '/version'],
    ['/catalog/versions?path=a//b', '/path'],
    ['/catalog/schema?path=a//b', '/path'],
  ])('of %s says where: %s', async (url, pointer) => {
    const { status, json } = await service.get(url);
    expect([status, (json.errors as JsonObject[]).map((error) => [error.pointer, error.code])]).toEqual([422, [[pointer, json.code]]]);
  });

  it('49,000 empty objects beside an unknown field are refused without a look at each', async () => {
    const body = JSON.stringify({ ...GOOD, parameters: { list: Array.from({ length: 49_000 }, () => ({})) }, bad: 1 });
    const costs: number[] = [];
    while (costs.length < 3) {
      const began = process.cpuUsage();
      expectProblem(await send({ body }), 422, 'invalid_request');
      const { user, system } = process.cpuUsage(began);
      costs.push((user + system) / 1000);
    }
    // A look at each takes more than 200 ms of a core.
    expect(Math.min(...costs)).toBeLessThan(150);
  });

  it('harms none of a hundred good ones beside it', async () => {
    const good = Array.from({ length: 100 }, (_, n) => service.execute('bad/input', { parameters: { n } }));
    const bad = STARTS.map(([, request]) => send(request));
    const ids = await Promise.all(good);
    expect((await Promise.all(bad)).map(({ status }) => status)).toEqual(STARTS.map(([, , status]) => status));
    const ended = await Promise.all(ids.map((id) => service.waitDone(id)));
    expect(ended.map(({ status, result }) => ({ status, result }))).toEqual(ids.map((_id, n) => ({ status: 'completed', result: { n } })));
  });
});

const DOCUMENTS: readonly [string, JsonObject, number, string, JsonObject | null][] = [
  [
    'no YAML',
    { content: 'metadata: { name: x\nworkflow: [' },
    400,
    'malformed_yaml',
    { line: expect.any(Number) as number, column: expect.any(Number) as number },
  ],
  ['a tab as indentation', { content: 'metadata:\n\tname: x\n' }, 400, 'malformed_yaml', { line: 2 }],
  ['a key twice', documentOf(START + END, 'workload: { a: 1, a: 2 }\n'), 422, 'duplicate_key', { line: 4 }],
  ['a step twice', documentOf(START + START + END), 422, 'duplicate_step', { line: 7 }],
  ['an unknown next', documentOf('  - step: start\n    next: [nowhere]\n'), 422, 'unknown_step', { line: 6 }],
  [
    'an unknown task',
    documentOf('  - step: start\n    type: workbook\n    name: nothing\n    next: [end]\n' + END),
    422,
    'unknown_task',
    null,
  ],
  ['an unknown type', documentOf('  - step: start\n    type: teleport\n    next: [end]\n' + END), 422, 'unknown_type', { line: 6 }],
  ['python without code', documentOf('  - step: start\n    type: python\n    next: [end]\n' + END), 422, 'missing_field', null],
  ['a next that is none', documentOf('  - step: start\n    next:\n      -step: end\n' + END), 422, 'invalid_next', null],
  ['an end that goes on', documentOf(START + '  - step: end\n    next: [start]\n'), 422, 'end_with_next', null],
  ['no steps', documentOf('  []\n'), 422, 'missing_workflow', null],
  [
    'a broken template',
    documentOf('  - step: start\n    next: [{ step: end, data: { x: "{{ 1 + }}" } }]\n' + END),
    422,
    'template_syntax',
    null,
  ],
  [
    'a later language',
    {
      content: documentOf(START + END)
        .content!.toString()
        .replace('noetl.io/v1', 'noetl.io/v2'),
    },
    422,
    'unsupported_api_version',
    null,
  ],
  ['too deep', documentOf(START + END, `workload: ${'['.repeat(70)}${']'.repeat(70)}\n`), 400, 'depth_exceeded', null],
  ['__proto__', documentOf(START + END, 'workload: { __proto__: { admin: true } }\n'), 400, 'forbidden_key', null],
  ['a bomb of aliases', documentOf(START + END, aliasBomb()), 400, 'too_many_nodes', null],
  ['a version that is none', { content: routingPlaybook('bad/version'), version: 'one' }, 422, 'invalid_version', null],
  [
    'two versions',
    { content: routingPlaybook('bad/version').replace('path:', 'version: 1.0.0, path:'), version: '2.0.0' },
    422,
    'version_conflict',
    null,
  ],
  ['too long', { content: routingPlaybook('bad/long', `workload: { x: ${'x'.repeat(512 * 1024)} }\n`) }, 413, 'document_too_large', null],
  [
    'an existing version with another text',
    { content: routingPlaybook('bad/input', 'workload: { n: 1 }\n'), version: '1.0.0' },
    409,
    'version_exists',
    null,
  ],
];

const WORD = 'constructor';
const stepped = (fields: string, rest = ''): string =>
  String(documentOf(`  - { step: start, ${fields}, next: [end] }\n${END}`, rest).content);
const entry = (kind: string, spec: string): string =>
  `apiVersion: noetl.io/v1\nkind: ${kind}\nmetadata: { name: m, path: bad/entry }\nspec: ${spec}\n`;
/** Documents in which a word of the language is a name that every object answers to. */
const WORDS: readonly [string, string][] = [
  ['a kind', entry(WORD, '{}')],
  ['a type', stepped(`type: ${WORD}`)],
  ['the storage of a save', stepped(`save: { storage: ${WORD}, data: { a: 1 } }`)],
  ['the mode of a save', stepped(`save: { storage: postgres, auth: a, table: t, mode: ${WORD}, data: { a: 1 } }`)],
  ['the sides of a transfer', stepped(`type: transfer, source: { type: ${WORD} }, target: { type: ${WORD} }`)],
  ['the provider of a model', entry('Model', `{ provider: ${WORD} }`)],
  ['the task of a model', entry('Model', `{ provider: openai, task: ${WORD}, endpoint: "http://a", model: b }`)],
  ['what a tool is', entry('Tool', `{ ${WORD}: { a: 1 } }`)],
  ['a method', stepped(`type: http, url: "http://a", method: ${WORD}`)],
  ['the type of a credential', stepped('type: noop', `credentials: { a: { type: ${WORD}, key: b } }\n`)],
  ['a keychain', stepped('type: noop', `keychain: [{ name: a, kind: ${WORD}, type: ${WORD}, provider: ${WORD} }]\n`)],
  ['the type of an auth', stepped(`type: http, url: "http://127.0.0.1:1", auth: { type: ${WORD}, inline: { token: x } }`)],
  ['the source of an auth', stepped(`type: http, url: "http://127.0.0.1:1", auth: { type: bearer, source: ${WORD}, key: x }`)],
  ['a field of an auth', stepped(`type: http, url: "http://127.0.0.1:1", auth: { type: bearer, ${WORD}: x }`)],
  ['the mode of an iterator', stepped(`type: iterator, mode: ${WORD}, collection: [1], task: { type: noop }`)],
  ['the provider of a secret', stepped(`type: secrets, provider: ${WORD}, name: a`)],
];

function aliasBomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const items = Array.from({ length: 10 }, () => (level === 0 ? '0' : `*a${level - 1}`)).join(', ');
    return `  a${level}: &a${level} [${items}]\n`;
  });
  return `workload:\n${levels.join('')}`;
}

describe('a bad document', () => {
  it.each(DOCUMENTS)('%s', async (_name, body, status, code, place) => {
    const before = await countRows(service.databaseUrl);
    const answer = await service.post('/catalog/register', body);
    const { code: own, errors } = answer.json as { code: string; errors: JsonObject[] };
    expectProblem(answer, status, own);
    expect([own, ...errors.map((error) => error.code)]).toContain(code);
    if (place !== null) expect(errors).toContainEqual(expect.objectContaining({ code, ...place }));
    expect(await countRows(service.databaseUrl)).toEqual(before);
  });
});

it.each(WORDS)('the word constructor as %s is as any other unknown word', async (_name, content) => {
  /** What is said of the document with such a word, and of its execution where it is registered. */
  const told = async (word: string): Promise<string> => {
    const { status, json } = await service.post('/catalog/register', { content: content.replaceAll(WORD, word) });
    const ended = status === 201 ? await service.waitDone(await service.execute(String(json.path))) : null;
    const error = ended?.error_details ?? null;
    const { code = null, errors = null, warnings = null } = json;
    return JSON.stringify({ status, code, errors, warnings, error }).replaceAll(word, '…');
  };
  expect(await told(WORD)).toBe(await told('nonexistent'));
});
