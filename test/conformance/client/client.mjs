// Our client of MCP servers as a program, for the client leg of the conformance suite (`conformance client --command "node …/client.mjs"`): the suite
// appends the URL of its server, and says in MCP_CONFORMANCE_CONTEXT what it wants to be called with. Needs the built program (npm run build).
// It does what an operator and a step do: take over what the server offers, then call each tool that could be taken over.
import { parseOutboundAllow } from '../../../dist/src/outbound/allow-list.js';
import { OutboundClient } from '../../../dist/src/outbound/outbound-client.js';
import { McpClient } from '../../../dist/src/mcp-client/mcp-client.js';
import { schemaFaultOf } from '../../../dist/src/mcp-client/tool-definition.js';

const url = process.argv.at(-1);
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const server = { kind: 'http', name: 'conformance', version: '1', url, headers: {}, auth: null };
const known = new Map();
const directory = {
  server: async () => server,
  definitions: async (_tenant, _server, tool) => known.get(tool) ?? [],
};
const secrets = { open: () => Promise.reject(new Error('there are no credentials')) };
const outbound = new OutboundClient({ allow: parseOutboundAllow('127.0.0.0/8,localhost') });
const client = new McpClient(directory, secrets, { outbound, stderr: () => undefined });
const signal = AbortSignal.timeout(25_000);

/** The smallest value that fits a property. */
function valueOf(schema = {}) {
  if ('default' in schema) return schema.default;
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'number':
    case 'integer':
      return 5;
    case 'boolean':
      return true;
    case 'array':
      return [];
    case 'object':
      return argumentsOf(schema);
    default:
      return 'test';
  }
}

function argumentsOf({ properties = {} }) {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, valueOf(schema)]));
}

const listed = await client.list('default', server, signal);
for (const { name, reason } of listed.refused) console.error(`refused ${name}: ${reason}`);
for (const [name, { definition, digest }] of listed.tools) {
  const fault = schemaFaultOf(definition);
  if (fault === null) known.set(name, [{ digest, approved: true, definition }]);
  else console.error(`refused ${name}: ${fault}`);
}
const wanted =
  context.toolCalls ?? [...known.keys()].map((name) => ({ name, arguments: argumentsOf(listed.tools.get(name).definition.inputSchema) }));
for (const { name, arguments: args = {} } of wanted) {
  let answered = null;
  const step = () => ({
    tenantId: 'default',
    signal,
    assertHeld: () => undefined,
    admit: () => Promise.resolve(),
    report: () => undefined,
    mayAsk: true,
    answered,
  });
  const call = { server: server.name, tool: name, definition: null, arguments: args, auth: new Map() };
  try {
    let answer = await client.call({ ...call, context: step() });
    while (answer.asks !== null) {
      // As whoever a step waits for would: each form is filled in.
      const accepted = Object.entries(answer.asks.requests).map(([key, { params }]) => [
        key,
        { action: 'accept', content: argumentsOf(params.requestedSchema ?? {}) },
      ]);
      answered = { state: answer.asks.state, answers: Object.fromEntries(accepted), round: (answered?.round ?? 0) + 1 };
      answer = await client.call({ ...call, context: step() });
    }
    console.log(`${name}: ${JSON.stringify(answer.value).slice(0, 200)}`);
  } catch (error) {
    console.error(`${name}: ${error.code ?? ''} ${error.message}`);
    process.exitCode = 1;
  }
}
await client.close();
await outbound.close();
