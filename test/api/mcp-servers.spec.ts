import { type JsonObject } from '../../src/engine/values.js';
import { type HttpPeer, peer, Scratch, startEverything } from '../support/mcp-peers.js';
import { startTestService, type TestService } from '../support/service.js';

let scratch: Scratch;
let everything: HttpPeer;
let service: TestService;
beforeAll(async () => {
  scratch = new Scratch();
  everything = await startEverything();
  const file = scratch.servers({
    everything: { args: [peer('everything')] },
    files: { args: [peer('filesystem'), scratch.folder] },
    memory: { args: [peer('memory')], env: { MEMORY_FILE_PATH: `${scratch.folder}/memory.json` } },
  });
  service = await startTestService({ MCP_SERVERS_FILE: file, OUTBOUND_ALLOW: `127.0.0.1:${everything.port}` });
  await service.post('/mcp-servers', { name: 'far', url: everything.url, description: 'Everything, over HTTP' });
});
afterAll(async () => {
  await service.stop();
  await everything.stop();
  scratch.remove();
});

interface Imported extends JsonObject {
  name: string;
  outcome: string;
}
const imported = async (server: string): Promise<Imported[]> => {
  const { status, json } = await service.post(`/mcp-servers/${server}/import`);
  expect({ status, json }).toMatchObject({ status: 200, json: { server } });
  return json.tools as Imported[];
};
const call = async (path: string, args: JsonObject) =>
  service.waitDone(await service.execute(path, { execution_type: 'tool', parameters: { arguments: args } }));

describe('published MCP servers', () => {
  it('x', async () => {
    const tools = await imported('everything');
    console.log(JSON.stringify(tools.map(({ name, outcome, path, version, reason }) => [name, outcome, path, version, reason])));
    console.log(JSON.stringify((await imported('far')).map(({ name, outcome, reason }) => [name, outcome, reason])));
    console.log(JSON.stringify((await imported('files')).map(({ name, outcome, reason }) => [name, outcome, reason])));
    console.log(JSON.stringify((await imported('memory')).map(({ name, outcome, reason }) => [name, outcome, reason])));
    console.log(JSON.stringify(await call('tools/everything/echo', { message: 'hi' })));
    console.log(JSON.stringify(await call('tools/far/echo', { message: 'hi' })));
    console.log(JSON.stringify((await service.get('/mcp-servers/everything/tools?limit=3')).json).slice(0, 5000));
  });
});
