// An MCP server of the 2025-11-25 generation over stdio that misbehaves by the name of the tool that is called.
// SCRIPTED_STATE: a JSON file `{description}` that is read at every list. SCRIPTED_LOG: a file that gets a line for each thing it was told.
// SCRIPTED_STUBBORN: it lives on when its input ends.
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { SCRIPTED_STATE, SCRIPTED_LOG, SCRIPTED_TOKEN, SCRIPTED_STUBBORN } = process.env;
const note = (line) => SCRIPTED_LOG && appendFileSync(SCRIPTED_LOG, `${line}\n`);
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value) => ({ content: [{ type: 'text', text: value }] });
const TOOLS = [
  'plain',
  'json',
  'hang',
  'deaf',
  'flood',
  'garbage',
  'huge',
  'die',
  'secret',
  'verbose',
  'refusal',
  'shout',
  'liar',
  'error',
  'count',
  'ticks',
  'answers',
  'deep',
];

note(`started ${process.pid}`);
if (SCRIPTED_STUBBORN) setInterval(() => undefined, 60_000);
process.stderr.write('scripted server is here\n');
if (SCRIPTED_TOKEN) process.stderr.write(`it knows ${SCRIPTED_TOKEN}\n`);

function tools() {
  const { description = 'as it was' } = SCRIPTED_STATE ? JSON.parse(readFileSync(SCRIPTED_STATE, 'utf8')) : {};
  return TOOLS.map((name) => ({
    name,
    description: name === 'plain' ? description : name,
    inputSchema: {
      type: 'object',
      properties: { n: { type: 'integer' }, word: { type: 'string', pattern: '^(a+)+$' } },
      additionalProperties: false,
    },
    ...(name === 'liar' ? { outputSchema: { type: 'object', properties: { sum: { type: 'number' } }, required: ['sum'] } } : {}),
  }));
}

function call(id, { name, arguments: args = {}, _meta: { progressToken } = {} }) {
  const tick = (progress, total, message) =>
    send({ method: 'notifications/progress', params: { progressToken, progress, total, message } });
  note(`call ${name}`);
  switch (name) {
    case 'plain':
      return send({ id, result: text(`plain ${args.n ?? ''}`) });
    case 'json':
      return send({ id, result: text(JSON.stringify({ n: args.n ?? null })) });
    case 'liar':
      return send({ id, result: { ...text('{}'), structuredContent: { sum: 'many' } } });
    case 'error':
      return send({ id, error: { code: -32_000, message: `refused with ${SCRIPTED_TOKEN}` } });
    case 'secret':
      return send({ id, result: text(`the token is ${SCRIPTED_TOKEN}`) });
    case 'verbose': // a progress line, and a failure, that are cut in the middle of the token
      tick(1, 2, `${'x'.repeat(175)}${SCRIPTED_TOKEN}`);
      tick(2, 2, `${'x'.repeat(175)}${args.word}`);
      return setTimeout(() => send({ id, result: { ...text(`${'x'.repeat(1_990)}${SCRIPTED_TOKEN}`), isError: args.n === 1 } }), 100);
    case 'refusal':
      return send({ id, error: { code: -32_000, message: `${'x'.repeat(490)}${SCRIPTED_TOKEN}` } });
    case 'shout':
      process.stderr.write('x'.repeat(100_000));
      return send({ id, result: text('shouted') });
    case 'deaf':
      lines.pause();
      process.stdin.pause();
      return undefined;
    case 'huge':
      return send({ id, result: text('x'.repeat(9 * 1024 * 1024)) });
    case 'flood':
      return forever(
        () =>
          `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(10_000) } })}\n`,
      );
    case 'garbage':
      return forever(() => `this is no JSON ${'x'.repeat(10_000)}\n`);
    case 'answers': // to what nobody asked
      return forever(() => `${JSON.stringify({ jsonrpc: '2.0', id: 999_999, result: text('x'.repeat(10_000)) })}\n`);
    case 'deep':
      return process.stdout.write(
        `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{"list":${'['.repeat(100_000)}${']'.repeat(100_000)}}}}\n`,
      );
    case 'count':
      tick(1, 2, 'half');
      // What is said right before the answer is heard by nobody.
      return setTimeout(() => send({ id, result: text('counted') }), 100);
    case 'ticks': // and then hangs
      for (let done = 1; done <= 10_000; done += 1) tick(done, 20_000, `tick ${done} with ${SCRIPTED_TOKEN}\u0000\ud800`);
      return undefined;
    case 'die':
      return process.exit(3);
    default:
      return undefined; // hangs
  }
}

function forever(line) {
  const go = () => {
    while (process.stdout.write(line()));
    process.stdout.once('drain', go);
  };
  go();
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'notifications/cancelled') note('cancelled');
  if (id === undefined) return;
  if (method === 'initialize') {
    const serverInfo = { name: 'scripted', version: '1.0.0' };
    send({ id, result: { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo } });
  } else if (method === 'tools/list') send({ id, result: { tools: tools() } });
  else if (method === 'tools/call') call(id, params);
  else send({ id, error: { code: -32_601, message: 'unknown method' } });
  if (method === 'tools/call' && params.arguments?.n === 77) send({ method: 'notifications/tools/list_changed' });
});
