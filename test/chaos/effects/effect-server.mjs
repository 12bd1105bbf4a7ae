// The world that steps act on, in a process of its own that no fault touches. Every call is in its log, on disk, before it is answered.
// node effect-server.mjs <log file>; prints {"port": n}; ends when its standard input closes.
import { fdatasync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { effectValue } from '../generator/arithmetic.mjs';

const file = openSync(process.argv[2], 'a');
const callsOf = new Map();
let lastCall = 0;
let waiting = [];
let writing = false;

/** Appends a line; `then` runs once it is on disk. Lines that arrive during a sync share the next one. */
function log(line, then) {
  waiting.push({ line, then });
  if (writing) return;
  writing = true;
  flush();
}

function flush() {
  const batch = waiting;
  waiting = [];
  writeSync(file, batch.map(({ line }) => `${JSON.stringify(line)}\n`).join(''));
  fdatasync(file, (error) => {
    if (error) throw error;
    for (const { then } of batch) then();
    if (waiting.length > 0) flush();
    else writing = false;
  });
}

const server = createServer({ keepAliveTimeout: 3_600_000, requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
  const at = Date.now();
  let text = '';
  request.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  request.on('end', () => {
    const { execution, step, input, slow = 0, fail = 0, drop = 0, always = false, pad = 0, page, pages } = JSON.parse(text);
    const { headers } = request;
    const key = String(headers['idempotency-key'] ?? '');
    const count = (callsOf.get(key) ?? 0) + 1;
    callsOf.set(key, count);
    const call = (lastCall += 1);
    const how = always || count <= fail ? 'failed' : count <= drop ? 'dropped' : 'answered';
    const number = (name) => (headers[name] === undefined ? null : Number(headers[name]));
    const line = { call, at, key, execution, step, input, how, count };
    // Only a service with the checker's probes says which claim of which node makes the call.
    Object.assign(line, { attempt: number('x-chaos-attempt'), claim: number('x-chaos-claim'), node: headers['x-chaos-node'] ?? null });
    log(line, () => {
      const answer = () => {
        if (how === 'dropped') return response.destroy();
        const body =
          how === 'failed'
            ? { call, error: 'asked to fail' }
            : {
                call,
                v: effectValue(step, input),
                ...(pad > 0 ? { pad: 'x'.repeat(pad) } : {}),
                ...(pages === undefined ? {} : { page, more: page < pages }),
              };
        response.writeHead(how === 'failed' ? 500 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      if (slow > 0) setTimeout(answer, slow);
      else answer();
    });
  });
});

server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.resume().once('close', () => process.exit(0));
