import { compilePlaybook } from '../compile.js';
import { parsePlaybook } from '../parse-playbook.js';
import { type Playbook } from '../playbook.js';
import { simulateRun } from '../../testing/simulated-run.js';
import { TEST_KINDS } from '../../testing/playbook-builder.js';
import { type Json, type JsonObject } from '../../values.js';
import { parseUriTemplate } from '../uri-template.js';

const document = (kind: string, more: string): string =>
  `apiVersion: noetl.io/v1\nkind: ${kind}\nmetadata: { name: it, path: a/it }\n${more}`;
const parsed = (kind: string, more: string): Playbook => {
  const { playbook, errors } = parsePlaybook(document(kind, more));
  if (!playbook) throw new Error(JSON.stringify(errors));
  return playbook;
};
const findings = (kind: string, more: string): string[] => {
  const { errors, warnings } = parsePlaybook(document(kind, more));
  return [...errors, ...warnings].map(({ code, pointer }) => `${code} ${pointer ?? ''}`);
};
const resultOf = (playbook: Playbook, parameters: JsonObject): Json =>
  simulateRun(compilePlaybook(playbook, TEST_KINDS), { parameters }).result;

describe('kind: Prompt', () => {
  const REVIEW = `
arguments:
  - { name: code, description: What to look at, required: true }
  - { name: tone, enum: [kind, strict] }
messages:
  - { content: "Review this: {{ arguments.code }}" }
  - role: assistant
    content:
      - { type: image, data: aGk=, mimeType: image/png }
      - { type: resource, resource: { uri: "test://{{ arguments.tone | default('kind') }}", text: "{{ arguments.code }}" } }
`;

  it('becomes a program that gives its messages, one for each block, filled with its arguments', () => {
    const playbook = parsed('Prompt', REVIEW);
    expect(playbook).toMatchObject({
      kind: 'Prompt',
      prompt: {
        arguments: [
          { name: 'code', description: 'What to look at', required: true, values: null },
          { name: 'tone', description: null, required: false, values: ['kind', 'strict'] },
        ],
      },
      contract: {
        inputSchema: {
          type: 'object',
          properties: { code: { type: 'string', description: 'What to look at' }, tone: { type: 'string', enum: ['kind', 'strict'] } },
          required: ['code'],
          additionalProperties: false,
        },
      },
    });
    expect(resultOf(playbook, { code: 'x = {{ 1 }}' })).toEqual({
      messages: [
        { role: 'user', content: { type: 'text', text: 'Review this: x = {{ 1 }}' } },
        { role: 'assistant', content: { type: 'image', data: 'aGk=', mimeType: 'image/png' } },
        { role: 'assistant', content: { type: 'resource', resource: { uri: 'test://kind', text: 'x = {{ 1 }}' } } },
      ],
    });
  });

  it('may be written below spec, called by a playbook, or be steps of its own; its result has to be messages', () => {
    expect(resultOf(parsed('Prompt', `spec: { messages: [{ content: "{{ [1, 2] }}" }] }`), {})).toEqual({
      messages: [{ role: 'user', content: { type: 'text', text: '[1,2]' } }],
    });
    expect(parsed('Prompt', 'playbook: { path: b/c, version: ^1 }').workflow[1]?.action).toMatchObject({
      type: 'playbook',
      fields: { path: 'b/c', version: '^1' },
      data: '{{ workload }}',
    });
    const steps = (result: string): Playbook =>
      parsed('Prompt', `workflow: [{ step: start, next: [end] }, { step: end, result: ${result} }]`);
    expect(resultOf(steps('{ messages: [{ role: user, content: { type: text, text: hi } }] }'), {})).toMatchObject({
      messages: [{ role: 'user' }],
    });
    expect(simulateRun(compilePlaybook(steps('{ text: hi }'), TEST_KINDS)).terminal).toMatchObject({
      type: 'execution_failed',
      error: { code: 'output_schema_mismatch' },
    });
  });

  it.each([
    ['', ['invalid_document ']],
    ['messages: [{ content: x }]\nplaybook: { path: a }', ['invalid_document ']],
    ['messages: []', ['invalid_value /messages']],
    ['messages: [hi]', ['invalid_type /messages/0']],
    ['messages: [{ role: system, content: x }]', ['invalid_value /messages/0/role']],
    ['messages: [{ role: user }]', ['missing_field /messages/0']],
    ['messages: [{ content: { type: video } }]', ['invalid_value /messages/0/content/type']],
    [
      'messages: [{ content: { type: image, data: "?" } }]',
      ['missing_field /messages/0/content', 'invalid_value /messages/0/content/data'],
    ],
    ['messages: [{ content: "{{ x" }]', ['template_syntax /messages/0/content']],
    ['spec: { messages: [{ content: "{{ x" }] }', ['template_syntax /spec/messages/0/content']],
    ['messages: [{ content: x }]\narguments: { a: 1 }', ['invalid_type /arguments']],
    ['messages: [{ content: x }]\narguments: [{ name: a }, { name: a }]', ['invalid_value /arguments/1/name']],
    [
      'messages: [{ content: x }]\narguments: [{ name: "a b" }, {}, b]',
      ['invalid_value /arguments/0/name', 'missing_field /arguments/1', 'invalid_type /arguments/2'],
    ],
    [
      'messages: [{ content: x }]\narguments: [{ name: a, required: maybe, enum: [], colour: red }]',
      ['invalid_type /arguments/0/required', 'invalid_value /arguments/0/enum', 'unknown_field /arguments/0/colour'],
    ],
    ['playbook: a/b', ['invalid_type /playbook', 'missing_field /playbook']],
  ])('says what is wrong: %s', (more, expected) => expect(findings('Prompt', more).sort()).toEqual([...expected].sort()));
});

describe('kind: Resource', () => {
  it('gives what it has at its URI', () => {
    const playbook = parsed('Resource', 'uri: test://static-text\nmime_type: text/plain\ntext: "{{ 1 + 1 }}"');
    expect(playbook.resource).toEqual({ uri: 'test://static-text', uriTemplate: null, mimeType: 'text/plain' });
    expect(resultOf(playbook, {})).toEqual({ contents: [{ uri: 'test://static-text', mimeType: 'text/plain', text: '2' }] });
    expect(resultOf(parsed('Resource', 'uri: test://b\nblob: |\n  aGVs\n  bG8=\n'), {})).toEqual({
      contents: [{ uri: 'test://b', blob: 'aGVsbG8=' }],
    });
  });

  it('of a template has its variables as arguments', () => {
    const playbook = parsed('Resource', 'uri_template: test://{kind}/x/{+rest}\ntext: "{{ arguments.kind }}"');
    expect(playbook).toMatchObject({
      resource: { uri: null, uriTemplate: 'test://{kind}/x/{+rest}', mimeType: null },
      contract: { inputSchema: { properties: { kind: { type: 'string' }, rest: { type: 'string' } }, required: ['kind', 'rest'] } },
    });
    expect(resultOf(playbook, { kind: 'a/b ü', rest: 'c/d e' })).toEqual({
      contents: [{ uri: 'test://a%2Fb%20%C3%BC/x/c/d%20e', text: 'a/b ü' }],
    });
  });

  it.each([
    ['text: x', ['invalid_document ']],
    ['uri: test://a', ['invalid_document ']],
    ['uri: test://a\nuri_template: test://{a}\ntext: x', ['invalid_document ']],
    ['uri: test://a\ntext: x\nblob: aGk=', ['ambiguous_field /blob']],
    ['uri: test://a\ntext: x\nplaybook: { path: a }', ['invalid_document ']],
    ['uri: "test://a b"\ntext: x', ['invalid_value /uri']],
    ['uri: /a\ntext: x', ['invalid_value /uri']],
    ['uri: execution://1\ntext: x', ['invalid_value /uri']],
    ['uri_template: test://{a}{b}\ntext: x', ['invalid_value /uri_template']],
    ['uri_template: test://{?a}\ntext: x', ['invalid_value /uri_template']],
    ['uri_template: test://a\ntext: x', ['invalid_value /uri_template']],
    ['uri: test://a\nblob: "!"', ['invalid_value /blob']],
    ['uri: test://a\ntext: [x]', ['invalid_type /text']],
    ['uri: test://a\nmime_type: text\ntext: x', ['invalid_value /mime_type']],
    ['uri: test://a\ntext: "{{ x"', ['template_syntax /text']],
  ])('says what is wrong: %s', (more, expected) => expect(findings('Resource', more)).toEqual(expected));
});

describe(parseUriTemplate.name, () => {
  it.each<[string, string, Record<string, string> | null]>([
    ['test://template/{id}/data', 'test://template/7/data', { id: '7' }],
    ['test://template/{id}/data', 'test://template/a%2Fb/data', { id: 'a/b' }],
    ['test://template/{id}/data', 'test://template/a/b/data', null],
    ['test://template/{id}/data', 'test://template//data', null],
    ['test://t.x/{id}', 'test://tax/1', null],
    ['test://{+path}', 'test://a/b', { path: 'a/b' }],
    ['test://{id}', 'test://%zz', null],
  ])('%s at %s', (template, uri, values) => expect(parseUriTemplate(template)!.match(uri)).toEqual(values));

  it('matches in linear time', () => {
    const template = parseUriTemplate(`test://${Array.from({ length: 12 }, (_, n) => `{v${n}}`).join('-')}!`)!;
    expect(template.match(`test://${'-a'.repeat(1_000)}`)).toBeNull();
  });
});
