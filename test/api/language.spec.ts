import { type Json } from '../../src/engine/values.js';
import { EffectServer } from '../support/effect-server.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let world: EffectServer;
beforeAll(async () => {
  world = await EffectServer.start();
  world.release();
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${world.port}`, ENV_ALLOW: 'STAGE', STAGE: 'dev' });
});
afterAll(async () => {
  await service.stop();
  await world.close();
});

async function run(name: string, body: string, parameters: Record<string, Json> = {}): Promise<SeenExecution> {
  const path = `language/${name.replaceAll(/\W+/g, '_')}`;
  await service.register(`apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: it, path: ${path} }\n${body}`);
  return service.waitDone(await service.execute(path, { parameters }));
}

describe('tasks of the workbook inside iterators', () => {
  const WORKBOOK = `
workbook:
  - name: add
    type: python
    data: { n: "{{ n }}", to: "{{ to | default(1) }}" }
    code: |
      def main(n, to):
          return n + to
`;

  it.each([
    [
      'an iterator',
      'type: iterator, collection: [1, 2], element: each, task: { type: workbook, name: add, data: { n: "{{ each * 10 }}", to: 5 } }',
    ],
    ['a loop mapping', 'tool: workbook, loop: { in: "{{ [1, 2] }}", iterator: each }, task: add, args: { n: "{{ each * 10 }}", to: 5 }'],
    [
      'a loop over the workbook',
      'type: loop, mode: workbook, in: [1, 2], iterator: each, task: add, with: { n: "{{ each * 10 }}", to: 5 }',
    ],
  ])('get the inputs that the document gives them: %s', async (name, step) => {
    const { result } = await run(
      name,
      `${WORKBOOK}workflow:\n  - { step: start, ${step}, next: end }\n  - { step: end, result: "{{ start.results }}" }\n`,
    );
    expect(result).toEqual([15, 25]);
  });
});

describe('templates in the workload', () => {
  const end = (result: string): string => `workflow:
  - step: start
    type: python
    code: |
      def main():
          return {"id": 7}
    next: end
  - step: end
    result: ${result}
`;

  it('see what others of them came to, in whatever order they are written', async () => {
    const workload = `workload:
  url: "{{ workload.base }}/v{{ workload.api.version }}"
  base: "http://{{ env.STAGE }}.example"
  api: { version: "{{ 1 + 1 }}", all: "{{ workload.url }}/all" }
`;
    const { result } = await run('others', workload + end('"{{ workload }}"'));
    expect(result).toEqual({
      url: 'http://dev.example/v2',
      base: 'http://dev.example',
      api: { version: 2, all: 'http://dev.example/v2/all' },
    });
  });

  it('are rendered on use where they need what is not known at the start', async () => {
    const workload = `workload:
  region: eu
  label: "{{ region }}-{{ start.id }}"
  more: { whole: "{{ start }}", again: ["<{{ workload.label }}>"] }
`;
    const uses =
      '{ label: "{{ workload.label }}", more: "{{ workload.more }}", short: "{{ label }}", other: "{{ context.workload.more.again[-1] }}" }';
    const { result } = await run('late', workload + end(uses));
    expect(result).toEqual({ label: 'eu-7', more: { whole: { id: 7 }, again: ['<eu-7>'] }, short: 'eu-7', other: '<eu-7>' });
  });

  it('stay as they are where they need themselves', async () => {
    const { result } = await run('cycle', `workload: { a: "{{ workload.b }}", b: "{{ workload.a }}!" }\n${end('"{{ workload }}"')}`);
    expect(result).toEqual({ a: '{{ workload.b }}', b: '{{ workload.a }}!' });
  });

  it('of the caller are data, in whatever is made of them', async () => {
    const workload =
      'workload: { given: "{{ start.id }}", list: ["{{ start.id }}"], uses: "{{ workload.given }} {{ workload.list[0] }}" }\n';
    const { result } = await run('given', workload + end('"{{ workload }}"'), { given: '{{ start.id }}', list: ['{{ start.id }}'] });
    expect(result).toEqual({ given: '{{ start.id }}', list: ['{{ start.id }}'], uses: '{{ start.id }} {{ start.id }}' });
  });

  it('are rendered for code too', async () => {
    const { result } = await run(
      'code',
      `workload: { late: "{{ start.id }}!" }
workflow:
  - { step: start, type: python, code: "def main(): return {'id': 7}", next: second }
  - { step: second, type: python, code: "def main(late): return [late, context['workload']['late']]", next: end }
  - { step: end }
`,
    );
    expect(result).toEqual(['7!', '7!']);
  });
});

describe('retries', () => {
  it('see the body of an answer as data, on a step and on the task of an iterator', async () => {
    const call = (path: string): string =>
      `type: http, endpoint: "http://127.0.0.1:${world.port}/${path}", retry: { max_attempts: 3, initial_delay: 0.01, retry_when: "{{ data.path == '/${path}' and attempt < 3 }}" }`;
    await run(
      'retry data',
      `workflow:
  - { step: start, ${call('step')}, next: items }
  - { step: items, type: iterator, collection: [1], element: n, task: { ${call('item')} } }
`,
    );
    expect([world.of('/step').length, world.of('/item').length]).toEqual([3, 3]);
  });

  it.each([
    [
      'numbers of templates',
      'retry: { max_attempts: "{{ workload.attempts }}", initial_delay: "{{ workload.delay }}", jitter: "false" }',
      2,
    ],
    ['a template alone', 'retry: "{{ workload.attempts }}", retry_delay: "{{ workload.delay }}"', 2],
    ['none, by a template', 'retry: "{{ workload.attempts > 5 }}"', 1],
    ['what gives no number', 'retry: { max_attempts: "{{ workload.nothing }}", initial_delay: "{{ 0 }}", max_delay: "{{ 1 / 0 }}" }', 3],
  ])('%s', async (name, retry, attempts) => {
    const calls = (status: number): number => world.of(`/status/${status}`).length;
    const before = [calls(500), calls(501)];
    const failing = (status: number): string => `type: http, endpoint: "http://127.0.0.1:${world.port}/status/${status}", ${retry}`;
    await run(
      name,
      `workload: { attempts: 2, delay: 0.01 }
workflow:
  - { step: start, ${failing(500)}, on_error: items }
  - { step: items, type: iterator, collection: [1], element: n, task: { ${failing(501)} } }
`,
    );
    expect([calls(500) - before[0]!, calls(501) - before[1]!]).toEqual([attempts, attempts]);
  });
});

describe('failures that an iterator goes over', () => {
  it('are seen by its own conditions, edges and variables', async () => {
    const { result } = await run(
      'errors on edges',
      `workflow:
  - step: start
    type: iterator
    collection: [1, 0]
    element: n
    on_error: continue
    task: { type: python, code: "def main(n): return 1 / n" }
    vars: { failed: "{{ start.errors | length }}" }
    next:
      - { when: "{{ start.errors }}", step: end, data: { at: "{{ result.errors[0].index }}", failed: "{{ vars.failed }}" } }
      - { else: end }
  - step: end
`,
    );
    expect(result).toEqual({ at: 1, failed: 1 });
  });
});
