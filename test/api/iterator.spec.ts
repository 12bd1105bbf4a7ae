import { type Json } from '../../src/engine/values.js';
import { EffectServer } from '../support/effect-server.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let world: EffectServer;
beforeAll(async () => {
  world = await EffectServer.start();
  world.release();
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${world.port}` });
});
afterAll(async () => {
  await service.stop();
  await world.close();
});

const url = (path: string): string => `http://127.0.0.1:${world.port}${path}`;
const document = (path: string, steps: string, workload = '{}'): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
workload: ${workload}
workflow:
${steps}`;

/** Runs a document that ends with the value of its step `each`. */
async function run(path: string, steps: string, parameters: Record<string, Json> = {}): Promise<SeenExecution> {
  await service.register(document(path, steps));
  const id = await service.execute(path, { parameters });
  return service.waitDone(id);
}
const iterator = (fields: string, task: string, rest = ''): string => `  - step: start
    type: iterator
${fields}
    task:
${task}
${rest}    next: [{ step: end, data: { list: "{{ start }}" } }]
  - step: end
`;
const python = (code: string): string => `      type: python\n      code: |\n${code.replaceAll(/^/gm, '        ')}`;

describe('iterator', () => {
  it('gives the values in the order of the items, whatever ends first', async () => {
    const { result } = await run(
      'iterator/order',
      iterator(
        '    collection: [3, 1, 2]\n    element: n\n    mode: async\n    concurrency: 3',
        python('def main(n):\n    import time\n    time.sleep(n / 20)\n    return n * 10'),
      ),
    );
    expect(result).toEqual({ list: [30, 10, 20] });
  });

  it.each([
    ['where and order_by', '    where: "{{ n > 1 }}"\n    order_by: "-n"', [4, 3, 2]],
    ['limit', '    limit: 2', [3, 1]],
    ['chunk', '    chunk: 3', [[3, 1, 4], 2]],
    ['a collection in a text', '    limit: "{{ 1 + 2 }}"', [3, 1, 4]],
  ])('%s', async (name, fields, expected) => {
    const { result } = await run(
      `iterator/${name.replaceAll(' ', '_')}`,
      iterator(
        `    collection: "{{ workload.list | default('[3, 1, 4, 2]') }}"\n    element: n\n${fields}`,
        '      type: http\n      endpoint: ' + url('/item') + '\n      data: { n: "{{ n }}" }\n      save: { storage: event_log }',
      ).replace('"{{ start }}"', '\'{{ start | map(attribute="url") | list }}\''),
    );
    const sent = (result as { list: string[] }).list.map((each) =>
      new URL(each).searchParams.getAll('n').map((n) => JSON.parse(n) as unknown),
    );
    expect(sent.map((each) => (each.length === 1 ? each[0] : each))).toEqual(expected);
  });

  it('shows each item where it is', async () => {
    const names =
      '"{{ _loop.index }} {{ _loop.count }} {{ _loop.first }} {{ _loop.last }} {{ start.result_index }} {{ parent.workload.tag }} {{ x.k }}"';
    const { result } = await run(
      'iterator/names',
      iterator(
        '    collection: [{ k: a }, { k: b }]\n    element: x',
        `      type: python\n      data: { text: ${names} }\n      code: |\n        def main(text):\n            return text`,
      ),
      { tag: 'outer' },
    );
    expect(result).toEqual({
      list: ['0 2 true false 0 outer a', '1 2 false true 1 outer b'],
    });
  });

  it('an empty collection gives an empty list; what is no list is a list of one', async () => {
    const steps = iterator('    collection: "{{ workload.c }}"\n    element: x', python('def main(x):\n    return x'));
    expect(await run('iterator/none', steps, { c: null })).toMatchObject({ status: 'completed', result: { list: [] } });
    expect(await run('iterator/one', steps, { c: { a: 1 } })).toMatchObject({ result: { list: [{ a: 1 }] } });
  });

  it('fails with the item that failed, and begins no other', async () => {
    const { execution_id: id, ...execution } = await run(
      'iterator/fails',
      iterator(
        '    collection: [1, 2, 3]\n    element: n',
        python('def main(n):\n    if n == 2:\n        raise ValueError("two")\n    return n'),
      ),
    );
    expect(execution).toMatchObject({ status: 'failed', error_details: { code: 'python_error', step: 'start', item_index: 1 } });
    const events = await service.events(String(id));
    const items = events
      .filter(({ event_type }) => event_type === 'loop_iteration')
      .flatMap(({ result }) => result as { item_index: number }[]);
    expect(items.map(({ item_index }) => item_index)).toEqual([0, 1]);
  });

  it('fails with the status that its item was answered', async () => {
    const { result } = await run(
      'iterator/status',
      `  - step: start
    type: iterator
    collection: [1]
    element: n
    task: { type: http, endpoint: ${url('/status/503')} }
    retry: { max_attempts: 2, initial_delay: 0.01, retry_when: "{{ status_code == 503 and error.status == 503 }}" }
    on_error: { step: end, data: { status: "{{ error.status }}", attempt: "{{ error.attempt }}" } }
  - step: end
`,
    );
    expect(result).toEqual({ status: 503, attempt: 2 });
  });

  it('goes over failures where it may, and tells its saves of them', async () => {
    const { result, execution_id: id } = await run(
      'iterator/goes_on',
      iterator(
        '    collection: [1, 2, 3]\n    element: n\n    on_error: continue',
        python('def main(n):\n    if n == 2:\n        raise ValueError("two")\n    return n'),
        '    save: { storage: event_log, data: { count: "{{ count }}", failed: "{{ errors[0].index }}", all: "{{ results }}" } }\n',
      ),
    );
    expect(result).toEqual({ list: [1, null, 3] });
    const completed = (await service.events(String(id))).find(
      ({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'start',
    );
    expect(completed?.meta).toMatchObject({
      errors: [{ index: 1, message: expect.stringContaining('two') as string }],
      save: { data: { count: 3, failed: 1, all: [1, null, 3] } },
    });
  });

  it('retries and saves per item, each save once with a key of its own', async () => {
    const { result } = await run(
      'iterator/saves',
      iterator(
        '    collection: [a, b]\n    element: n\n    mode: async',
        `      type: http\n      endpoint: ${url('/get')}\n      save: { storage: http, endpoint: "${url('/saved')}/{{ n }}", data: { n: "{{ n }}", path: "{{ result.data.path }}" } }`,
      ),
    );
    expect((result as { list: unknown[] }).list).toHaveLength(2);
    const saved = world.effects.filter(({ path }) => path.startsWith('/saved/'));
    expect(saved.map(({ path }) => path).toSorted()).toEqual(['/saved/a', '/saved/b']);
    expect(new Set(saved.map(({ key }) => key)).size).toBe(2);
  });

  it.each([
    ['the item', 'n', '"x"', [['x', 1]]],
    ['an input of that name', 'n', '"x", value: 7', [['x', 7]]],
  ])('gives code as value %s', async (name, element, inputs, expected) => {
    const { result } = await run(
      `iterator/value_${name.split(' ')[1]}`,
      iterator(
        `    collection: [1]\n    element: ${element}`,
        `${python('def main(p, value):\n    return [p, value]')}\n      args: { p: ${inputs} }`,
      ),
      { value: 'of the workload' },
    );
    expect(result).toEqual({ list: expected });
  });

  it('keeps what an item saves to the event log, in the event of the item', async () => {
    const { execution_id: id } = await run(
      'iterator/logged',
      iterator(
        '    collection: [2, 0]\n    element: n\n    on_error: continue',
        `${python('def main(n):\n    return 6 // n')}
      save:
        - { storage: event_log, data: { half: "{{ result }} of {{ n }}" } }
        - { storage: event_log, on: error, data: { why: "{{ error.message }}" } }
        - { storage: event_log }`,
      ),
    );
    const items = (await service.events(String(id))).filter(({ event_type }) => event_type === 'loop_iteration');
    expect(items.flatMap(({ result }) => result as object[])).toMatchObject([
      { item_index: 0, save: { status: 'success', storage: 'event_log', data: { half: '3 of 2' } } },
      { item_index: 1, save: { status: 'success', data: { why: expect.stringContaining('ZeroDivisionError') as string } } },
    ]);
  });

  it('keeps what the tasks of an item save to the event log, in the event of the task', async () => {
    const { execution_id: id } = await run(
      'iterator/logged_tasks',
      iterator(
        '    collection: [2]\n    element: n',
        `      - type: python
        code: "def main(n): return n + 1"
        save: { storage: event_log, data: { first: "{{ result }}" } }
      - type: python
        code: "def main(n): return n"
        save: { storage: event_log, data: { second: "{{ result }}" } }`,
      ),
    );
    const events = await service.events(String(id));
    const parts = events.filter(({ event_type }) => event_type === 'action_completed').flatMap(({ meta }) => meta.parts as object[]);
    expect(parts).toMatchObject([{ path: '0/t0', save: { data: { first: 3 } } }]);
    const items = events.filter(({ event_type }) => event_type === 'loop_iteration').flatMap(({ result }) => result as object[]);
    expect(items).toMatchObject([{ item_index: 0, save: { data: { second: 2 } } }]);
  });

  it('does nothing where it could not keep what comes of it', async () => {
    const execution = await run(
      'iterator/not_kept',
      iterator(
        '    collection: [1]\n    element: n',
        `      type: http\n      endpoint: ${url('/not_kept')}\n      save: { storage: s3, data: { n: "{{ n }}" } }`,
      ),
    );
    expect(execution).toMatchObject({ status: 'failed', error_details: { code: 'unsupported_storage', item_index: 0 } });
    expect(world.of('/not_kept')).toHaveLength(0);
  });

  it('stands in another', async () => {
    const inner = `      type: iterator\n      collection: "{{ row }}"\n      element: cell\n      task:\n        type: python\n        code: |\n          def main(cell, row):\n              return cell + len(row)`;
    expect(await run('iterator/nested', iterator('    collection: [[1, 2], [3]]\n    element: row', inner))).toMatchObject({
      status: 'completed',
      result: { list: [[3, 4], [4]] },
    });
  });

  it('tells the saves of one in another of all its items', async () => {
    const inner = `      type: iterator
      collection: "{{ row }}"
      element: cell
      on_error: continue
      task: { type: python, code: "def main(cell): return 6 // cell" }
      save:
        storage: event_log
        data: { row: "{{ row }}", count: "{{ count }}", results: "{{ results }}", failed: "{{ errors[0].index }}", same: "{{ [result.count, result.errors, this.results] == [count, errors, items] }}" }`;
    const { execution_id: id } = await run('iterator/nested_saves', iterator('    collection: [[1, 0]]\n    element: row', inner));
    const saved = (await service.events(String(id)))
      .filter(({ event_type, meta }) => event_type === 'loop_iteration' && meta['path'] === undefined)
      .flatMap(({ result }) => result as object[]);
    expect(saved).toMatchObject([{ save: { data: { row: [1, 0], count: 2, results: [6, null], failed: 1, same: true } } }]);
  });

  it('the loop spelling has results and stats', async () => {
    const { result } = await run(
      'iterator/loop',
      `  - step: start
    loop: { in: [1, 2], iterator: n }
    type: python
    code: |
      def main(n):
          return n + 1
    next: [{ step: end, data: { whole: "{{ start }}", list: "{{ start.data }}" } }]
  - step: end
`,
    );
    expect(result).toEqual({ whole: { results: [2, 3], stats: { total: 2, success: 2, failed: 0 } }, list: [2, 3] });
  });

  it.each([
    ['too many items', '    collection: "{{ range(100001) | list }}"', 'loop_limit'],
    ['a condition that cannot be evaluated', '    collection: [1, a]\n    where: "{{ n / 2 > 0 }}"', null],
    ['a limit that is no number', '    collection: [1]\n    limit: "{{ workload.x }}"', 'invalid_value'],
  ])('refuses %s', async (name, fields, code) => {
    const { status, error_details } = await run(
      `iterator/bad_${name.replaceAll(' ', '_')}`,
      iterator(`${fields}\n    element: n`, python('def main(n):\n    return n')),
      { x: 'many' },
    );
    expect(status).toBe('failed');
    if (code) expect(error_details).toMatchObject({ code });
  });

  it('pauses between two items and goes on with what is left', async () => {
    await service.register(
      document(
        'iterator/pauses',
        iterator(
          '    collection: "{{ range(20) | list }}"\n    element: n',
          python('def main(n):\n    import time\n    time.sleep(0.1)\n    return n'),
        ),
      ),
    );
    const id = await service.execute('iterator/pauses');
    await service.waitEvent(id, ({ event_type }) => event_type === 'loop_iteration');
    await service.post(`/executions/${id}/pause`, {});
    await service.waitEvent(id, ({ event_type }) => event_type === 'execution_paused');
    const before = (await service.events(id)).length;
    await service.post(`/executions/${id}/resume`, {});
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { list: Array.from({ length: 20 }, (_, n) => n) } });
    const events = await service.events(id);
    const items = events
      .filter(({ event_type }) => event_type === 'loop_iteration')
      .flatMap(({ result }) => result as { item_index: number }[]);
    expect(items).toHaveLength(20);
    expect(events.length).toBeGreaterThan(before);
  });

  it('a cancel ends it between two items', async () => {
    await service.register(
      document(
        'iterator/cancelled',
        iterator(
          '    collection: "{{ range(1000) | list }}"\n    element: n',
          python('def main(n):\n    import time\n    time.sleep(0.05)\n    return n'),
        ),
      ),
    );
    const id = await service.execute('iterator/cancelled');
    await service.waitEvent(id, ({ event_type }) => event_type === 'loop_iteration');
    await service.post(`/executions/${id}/cancel`, {});
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  });
});

describe('saves to the world', () => {
  it('follow the action, in order, and their outcomes are told', async () => {
    const { execution_id: id, result } = await run(
      'saves/order',
      `  - step: start
    type: http
    endpoint: ${url('/read')}
    save:
      - { storage: http, endpoint: "${url('/first')}", data: { path: "{{ result.data.path }}" } }
      - { storage: http, endpoint: "${url('/status/404')}", on_error: continue, data: {} }
      - { storage: http, endpoint: "${url('/never')}", when: "{{ false }}" }
      - { name: kept, data: { a: 1 } }
    next: [end]
  - step: end
    result: { kept: "{{ kept.a }}" }
`,
    );
    expect(result).toEqual({ kept: 1 });
    const events = await service.events(String(id));
    const completed = events.find(({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'start');
    expect((completed?.meta.save as { status: string }[]).map(({ status }) => status)).toEqual(['success', 'error', 'skipped', 'success']);
    expect(world.of('/first')).toHaveLength(1);
    expect(world.of('/never')).toHaveLength(0);
  });

  it('a save that fails fails its step', async () => {
    const execution = await run(
      'saves/fails',
      `  - step: start\n    save: { storage: http, endpoint: "${url('/status/500')}" , data: { a: 1 } }\n    next: [end]\n  - step: end\n`,
    );
    expect(execution).toMatchObject({ status: 'failed', error_details: { code: 'http_error', step: 'start' } });
  });

  it('a save of an error tells the world and does not hide the error', async () => {
    const execution = await run(
      'saves/of_errors',
      `  - step: start
    type: http
    endpoint: ${url('/status/503')}
    save: { storage: http, on: error, endpoint: "${url('/alarm')}", data: { why: "{{ error.message }}" } }
    next: [end]
  - step: end
`,
    );
    expect(execution).toMatchObject({ status: 'failed', error_details: { code: 'http_error', step: 'start' } });
    expect(world.of('/alarm')).toHaveLength(1);
  });

  it('a step that only saves has the outcome as its value', async () => {
    const { result } = await run(
      'saves/step',
      `  - step: start\n    type: save\n    storage: http\n    endpoint: ${url('/kept')}\n    data: { a: 1 }\n    next: [{ step: end, data: { saved: "{{ start.saved }}", code: "{{ start.status_code }}", a: "{{ start.a }}" } }]\n  - step: end\n`,
    );
    expect(result).toEqual({ saved: 'http', code: 200, a: 1 });
  });
});
