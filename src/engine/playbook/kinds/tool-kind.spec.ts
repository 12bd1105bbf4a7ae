import { parsePlaybook } from '../parse-playbook.js';
import { NO_CONTRACT, type Playbook } from '../playbook.js';

const tool = (spec: string, more = ''): string =>
  `apiVersion: noetl.io/v1\nkind: Tool\nmetadata: { name: t, path: tools/t }\nspec:\n${spec.replace(/^/gm, '  ')}\n${more}`;
const findingsOf = (text: string): [string, string | undefined][] => {
  const { errors, warnings } = parsePlaybook(text);
  return [...errors, ...warnings].map(({ code, pointer }) => [code, pointer]);
};
function parsed(text: string): Playbook {
  const { playbook, errors } = parsePlaybook(text);
  if (!playbook) throw new Error(JSON.stringify(errors));
  return playbook;
}

describe('kind: Tool', () => {
  it('becomes a program of three steps around an http call, whose body is the result', () => {
    const { kind, workflow, exposed } = parsed(
      tool('http: { method: post, endpoint: "http://a/{{ arguments.x }}", data: { y: 1 }, auth: key }'),
    );
    expect([kind, exposed]).toEqual(['Tool', {}]);
    expect(workflow.map(({ name, role, line, action }) => [name, role, line, action?.type ?? null])).toEqual([
      ['start', 'entry', 5, null],
      ['call', 'inner', 5, 'http'],
      ['end', 'terminal', 5, null],
    ]);
    expect(workflow[1]?.action).toMatchObject({
      fields: { method: 'POST', endpoint: 'http://a/{{ arguments.x }}' },
      data: { y: 1 },
      auth: 'key',
    });
    expect(workflow[2]?.result).toBe('{{ call.data }}');
  });

  it.each<[string, string, object, string]>([
    [
      'a playbook',
      'playbook: { path: /a/b.yaml, version: ^1 }',
      { type: 'playbook', fields: { path: 'a/b', version: '^1' } },
      '{{ call }}',
    ],
    [
      'a tool of an MCP server',
      'mcp: { server: files, tool: read_file }',
      { type: 'mcp', fields: { server: 'files', tool: 'read_file' } },
      '{{ call }}',
    ],
    ['with a result of its own', 'mcp: { server: a, tool: b }\nresult: { x: "{{ call.x }}" }', { type: 'mcp' }, '{{ call.x }}'],
  ])('hands all arguments to %s', (_name, spec, action, result) => {
    const [, call, end] = parsed(tool(spec)).workflow;
    expect(call?.action).toMatchObject({ ...action, data: '{{ workload }}' });
    expect(JSON.stringify(end?.result)).toContain(result);
  });

  it.each<[string, string, [string, string | undefined][]]>([
    ['no implementation', tool('serves: [x]'), [['invalid_document', '/spec']]],
    ['two implementations', tool('http: { endpoint: "http://a" }\nmcp: { server: a, tool: b }'), [['invalid_document', '/spec']]],
    [
      'an implementation that is a word',
      tool('http: GET'),
      [
        ['invalid_type', '/spec/http'],
        ['missing_field', '/spec/http'],
      ],
    ],
    ['http without an endpoint', tool('http: {}'), [['missing_field', '/spec/http']]],
    ['a method that is none', tool('http: { endpoint: "http://a", method: FETCH }'), [['invalid_value', '/spec/http/method']]],
    ['a bad path', tool('playbook: { path: a//b }'), [['invalid_path', '/spec/playbook/path']]],
    ['a tool without a server', tool('mcp: { tool: b }'), [['missing_field', '/spec/mcp']]],
    ['a stray key', tool('mcp: { server: a, tool: b, colour: red }'), [['unknown_field', '/spec/mcp/colour']]],
    ['a stray key of spec', tool('mcp: { server: a, tool: b }\ncolour: red'), [['unknown_field', '/spec/colour']]],
    ['a workflow', tool('mcp: { server: a, tool: b }', 'workflow: []'), [['unknown_field', '/workflow']]],
    ['a template that cannot be parsed', tool('http: { endpoint: "{{ +" }'), [['template_syntax', '/spec/http/endpoint']]],
    ['names that are none', tool('mcp: { server: a, tool: b }\nserves: [ok, "a b"]'), [['invalid_value', '/spec/serves/1']]],
  ])('says what is wrong: %s', (_name, text, findings) => expect(findingsOf(text)).toEqual(findings));

  it('takes the defaults of its schema, but none that would be rendered, and none for a foreign server', () => {
    const schema = `input_schema: { type: object, properties: { a: { default: 1 }, b: { default: { c: "{{ env.KEY }}" } }, d: {} } }\n`;
    expect(parsed(tool('playbook: { path: a }', schema)).workload).toEqual({ a: 1 });
    expect(parsed(tool('playbook: { path: a }', `${schema}workload: { a: 2 }`)).workload).toEqual({ a: 2 });
    expect(findingsOf(tool('playbook: { path: a }', schema))).toEqual([['invalid_value', '/input_schema']]);
    expect(parsed(tool('mcp: { server: a, tool: b }', schema)).workload).toEqual({});
  });
});

describe('the contract of an entry', () => {
  const document = (more: string): string =>
    `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: p }\nworkflow: [{ step: start }]\n${more}`;

  it('is empty where nothing is declared', () => expect(parsed(document('')).contract).toEqual(NO_CONTRACT));

  it.each([
    ['at the root', ''],
    ['below spec', 'spec:\n  '],
  ])('is read %s', (_name, before) => {
    const lines = [
      'input_schema: { type: object, properties: { a: { type: string, description: "{{ not a template" } } }',
      'output_schema: { type: array }',
      'title: A name',
      'annotations: { readOnlyHint: true, title: Other, team: data }',
      'mcp: { tool_name: do.it, expose: [pinned, ops, ops], task: required }',
    ];
    expect(parsed(document(before + lines.join(before === '' ? '\n' : '\n  '))).contract).toEqual({
      inputSchema: { type: 'object', properties: { a: { type: 'string', description: '{{ not a template' } } },
      outputSchema: { type: 'array' },
      title: 'A name',
      annotations: { readOnlyHint: true, title: 'Other' },
      toolName: 'do.it',
      expose: ['pinned', 'ops'],
      task: 'required',
      serves: [],
    });
  });

  it.each<[string, string, [string, string | undefined][]]>([
    ['a schema that is a word', 'input_schema: text', [['invalid_schema', '/input_schema']]],
    ['parameters that are a list', 'input_schema: { type: array }', [['invalid_schema', '/input_schema']]],
    ['parameters of no type', 'input_schema: {}', [['invalid_schema', '/input_schema']]],
    [
      'types that are none',
      'output_schema: { properties: { a: { type: strange }, b: { minLength: -1 } } }',
      [
        ['invalid_schema', '/output_schema/properties/a/type'],
        ['invalid_schema', '/output_schema/properties/b/minLength'],
      ],
    ],
    ['a schema from elsewhere', 'output_schema: { items: { $ref: "http://a/b" } }', [['invalid_schema', '/output_schema/items/$ref']]],
    ['a hint that is a word', 'annotations: { readOnlyHint: perhaps }', [['invalid_type', '/annotations/readOnlyHint']]],
    ['a title that is a list', 'title: []', [['invalid_type', '/title']]],
    ['a name with a blank', 'mcp: { tool_name: do it }', [['invalid_value', '/mcp/tool_name']]],
    ['a toolset with a capital', 'mcp: { expose: Pinned }', [['invalid_value', '/mcp/expose']]],
    [
      'a task that is none',
      'mcp: { task: maybe, colour: red }',
      [
        ['invalid_value', '/mcp/task'],
        ['unknown_field', '/mcp/colour'],
      ],
    ],
  ])('says what is wrong: %s', (_name, more, findings) => expect(findingsOf(document(more)).sort()).toEqual([...findings].sort()));
});
