import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePlaybook } from './parse-playbook.js';
import { type Action, NO_CONTRACT, type Playbook, type Step } from './playbook.js';

const ROOT = 'test/fixtures/playbooks';
const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .sort();

/** Real documents that are broken, and what is broken about them. */
const REFUSED: Readonly<Record<string, { code: string; line: number }>> = {
  // `condition` is no key of an edge: NoETL ignored it, so that all three branches ran.
  'oct2025/examples/iac/gcp_vm/gcp_vm_provision_playbook.yaml': { code: 'invalid_next', line: 59 },
  // start goes to create_table, which the document does not have.
  'type/tests/fixtures/playbooks/postgres_save_simple.yaml': { code: 'unknown_step', line: 20 },
};

function parse(file: string): Playbook {
  const { playbook, errors } = parsePlaybook(readFileSync(join(ROOT, file), 'utf8'));
  if (!playbook) throw new Error(JSON.stringify(errors));
  return playbook;
}

function stepOf(playbook: Playbook, name: string): Step {
  const step = playbook.workflow.find((candidate) => candidate.name === name);
  if (!step) throw new Error(`no step ${name}`);
  return step;
}

const bare: Omit<Action, 'type'> = { fields: {}, data: {}, save: [], assert: null, auth: null, retry: null, timeout: null, tasks: [] };
const router = {
  action: null,
  data: {},
  save: [],
  onError: { kind: 'fail' },
  onTimeout: null,
  pass: null,
  when: null,
  vars: {},
  result: null,
  hasResult: false,
  as: null,
};

describe('real playbooks', () => {
  it('are all here', () => expect(FILES).toHaveLength(60));

  it.each(FILES)('%s', (file) => {
    const { playbook, errors, fatal } = parsePlaybook(readFileSync(join(ROOT, file), 'utf8'));
    const refused = REFUSED[file];
    if (refused) {
      expect(errors[0]).toMatchObject(refused);
      expect(fatal).toMatchObject({ kind: 'invalid', code: 'invalid_document' });
    } else {
      expect(errors).toEqual([]);
      expect(playbook?.workflow.filter(({ role }) => role === 'entry')).toHaveLength(1);
    }
  });
});

describe('one document of each spelling, in full', () => {
  it('canonical: hello_world of October 2025', () => {
    expect(parse('oct2025/tests/fixtures/playbooks/hello_world/hello_world.yaml')).toEqual({
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'hello_world', path: 'tests/fixtures/playbooks/hello_world', version: null, description: null, extra: {} },
      contract: NO_CONTRACT,
      workload: { message: 'Hello World' },
      workbook: [],
      workflow: [
        {
          ...router,
          name: 'start',
          role: 'entry',
          line: 12,
          next: [{ kind: 'plain', then: [{ step: 'test_step', data: { message: '{{ workload.message }}' } }] }],
        },
        {
          ...router,
          name: 'test_step',
          role: 'inner',
          line: 19,
          action: { ...bare, type: 'python', fields: { code: expect.stringMatching(/^def main\(message\):\n/) as string } },
          next: [{ kind: 'plain', then: [{ step: 'end', data: {} }] }],
        },
        {
          ...router,
          name: 'end',
          role: 'terminal',
          line: 30,
          save: [
            {
              ...{ storage: 'event_log', when: null, on: 'success', name: null, auth: null, onError: null, fields: {} },
              data: { status: 'success', message: '{{ test_step.result.data.message }}' },
            },
          ],
          next: [],
        },
      ],
      credentials: null,
      keychain: null,
      exposed: {},
    });
  });

  it('rootname: identity at the root, input, loop with in/iterator', () => {
    const playbook = parse('rootname/examples/test/loop_http_test.yaml');
    expect(playbook.metadata).toMatchObject({ name: 'loop_http_test', path: 'examples/test/loop_http_test' });
    expect(stepOf(playbook, 'http_loop').action).toEqual({
      ...bare,
      type: 'iterator',
      fields: { collection: '{{ cities }}', element: 'city_item', mode: 'async', spelling: 'loop' },
      tasks: [
        {
          ...bare,
          type: 'http',
          fields: { endpoint: '{{ workload.base_url }}/forecast', method: 'GET', headers: { 'User-Agent': 'NoETL HTTP Loop Test/1.0' } },
          data: {
            query: { latitude: '{{ city_item.lat }}', longitude: '{{ city_item.lon }}', hourly: 'temperature_2m', forecast_days: 1 },
          },
          timeout: 10,
        },
      ],
    });
    expect(stepOf(playbook, 'start').next).toEqual([
      { kind: 'plain', then: [{ step: 'http_loop', data: { cities: '{{ workload.cities }}' } }] },
    ]);
  });

  it('tool: tool, sink, args, loop over a child playbook', () => {
    const action = stepOf(parse('tool/tests/fixtures/playbooks/playbook_composition/playbook_composition.yaml'), 'process_users').action;
    expect(action).toMatchObject({
      type: 'iterator',
      save: [],
      fields: { collection: '{{ workload.users }}', element: 'user', mode: 'sequential', spelling: 'loop' },
    });
    expect(action?.tasks[0]).toMatchObject({
      type: 'playbook',
      fields: { path: 'tests/fixtures/playbooks/playbook_composition/user_profile_scorer', return_step: 'finalize_result' },
      data: { user_data: '{{ user }}', execution_context: '{{ execution_id }}' },
      save: [
        {
          storage: 'postgres',
          auth: '{{ workload.pg_auth }}',
          data: { user_name: '{{ user.name }}' },
          fields: { table: 'public.user_profile_results', mode: 'upsert', key: ['id'] },
        },
      ],
    });
  });

  it('docs: name instead of step, type start and end, task, scalar targets, a list of saves by tool', () => {
    const playbook = parse('type/docs/refactor/control-loop/examples/00-simple-playbook-v2.yaml');
    expect(playbook.metadata.path).toBe('docs/refactor/control-loop/examples/00-simple-playbook-v2');
    expect(playbook.workflow.map(({ name, role }) => [name, role])).toEqual([
      ['start', 'entry'],
      ['evaluate_temp', 'inner'],
      ['end', 'terminal'],
    ]);
    expect(stepOf(playbook, 'evaluate_temp').action).toMatchObject({
      type: 'workbook',
      fields: { name: 'evaluate_temp' },
      save: [{ storage: 'event_log', when: "{{ evaluate_temp.status == 'success' }}" }],
    });
    expect(stepOf(playbook, 'evaluate_temp').next).toEqual([{ kind: 'plain', then: [{ step: 'end', data: {} }] }]);
  });

  it('call: call with type, name and with; when and else', () => {
    const playbook = parse('call/playbook/weather.yaml');
    expect(stepOf(playbook, 'fetch_weather')).toEqual({
      ...router,
      name: 'fetch_weather',
      role: 'inner',
      line: 27,
      action: {
        ...bare,
        type: 'workbook',
        fields: { name: 'fetch_weather' },
        data: { city: '{{ workload.cities[0] }}', base_url: '{{ workload.base_url }}', threshold: '{{ workload.temperature_threshold }}' },
      },
      next: [
        {
          ...{ kind: 'when', when: '{{ fetch_weather.alert }}', else: [] },
          then: [{ step: 'report_warm', data: { city: '{{ workload.cities[0] }}', temperature: '{{ fetch_weather.max_temp }}' } }],
        },
        {
          kind: 'else',
          then: [{ step: 'report_cold', data: { city: '{{ workload.cities[0] }}', temperature: '{{ fetch_weather.max_temp }}' } }],
        },
      ],
    });
    expect(stepOf(playbook, 'report_warm').action).toMatchObject({
      type: 'python',
      fields: { code: expect.stringContaining('def main(city, temperature)') as string },
    });
    expect(playbook.workbook[0]).toMatchObject({ name: 'fetch_weather', type: 'python', data: { threshold: '{{ threshold }}' } });
  });

  it('secrets under their older field names', () => {
    expect(parse('oct2025/examples/google_secret_manager/secrets_test.yaml').workbook[0]).toMatchObject({
      name: 'get_secret_task',
      fields: { provider: 'gcp', name: 'test-secret', project: 'noetl-demo-19700101' },
    });
  });
});
