import { parsePlaybook } from '../engine/playbook/parse-playbook.js';
import { digestOf, type ToolDefinition } from '../mcp-client/tool-definition.js';
import { pathOf, toolDocument } from './tool-document.js';

const definition: ToolDefinition = {
  name: 'forecast',
  title: 'Forecast',
  description: 'Tomorrow: {{ workload }} # "quoted"\n- and more',
  inputSchema: {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: { city: { type: 'string', default: '{{ x }}' } },
  },
  outputSchema: { type: 'object', properties: { degrees: { type: 'number' } } },
  annotations: { readOnlyHint: true, destructiveHint: false },
  execution: null,
};

describe(toolDocument.name, () => {
  it('is a document of the language that calls exactly this definition, and promises nothing for the server', () => {
    const digest = digestOf(definition);
    const playbook = parsePlaybook(toolDocument('weather', definition, digest)).playbook!;
    expect(playbook).toMatchObject({
      kind: 'Tool',
      metadata: { name: 'forecast', path: 'tools/weather/forecast', description: definition.description },
      contract: { title: 'Forecast', annotations: {}, inputSchema: { type: 'object' }, outputSchema: definition.outputSchema },
      workload: {},
    });
    const call = playbook.workflow.find(({ name }) => name === 'call');
    expect(call?.action).toMatchObject({ type: 'mcp', fields: { server: 'weather', tool: 'forecast', definition: digest } });
    expect(playbook.contract.inputSchema).not.toHaveProperty('$schema');
  });

  it('is the same for the same definition, and another for each that differs', () => {
    const reordered = { ...definition, annotations: { destructiveHint: false, readOnlyHint: true } };
    expect(digestOf(reordered)).toBe(digestOf(definition));
    for (const changed of [
      { description: 'x' },
      { title: null },
      { annotations: {} },
      { inputSchema: { type: 'object' } },
      { outputSchema: null },
    ]) {
      expect(digestOf({ ...definition, ...changed })).not.toBe(digestOf(definition));
    }
  });
});

describe(pathOf.name, () => {
  it.each([
    ['get_forecast', 'tools/s/get_forecast'],
    ['a.b-c', 'tools/s/a.b-c'],
    ['.hidden', /^tools\/s\/__hidden_[0-9a-f]{8}$/],
    ['-dash', /^tools\/s\/_-dash_[0-9a-f]{8}$/],
    ['read.yaml', /^tools\/s\/_read_yaml_[0-9a-f]{8}$/],
  ])('%s', (tool, path) => {
    if (typeof path === 'string') expect(pathOf('s', tool)).toBe(path);
    else expect(pathOf('s', tool)).toMatch(path);
  });
});
