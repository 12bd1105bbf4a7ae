const FROM_PARENT = "const { parentPort, workerData } = require('node:worker_threads');\n";

/**
 * The program of a worker that runs on Node, as text for its command line: the protocol of the python3 worker in the main
 * thread, an interpreter in a thread of its own where it blocks. `interpreter` is CommonJS source that finds `parentPort`
 * and {settings, ...data} as `workerData`, posts 'ready' once and then for every text (a call) the text of its answer.
 * `settings` is the JSON argument of the process, with at least {leaseMs, memoryBytes, dropTo: {uid, gid} | null}: rights
 * are dropped when everything is loaded, so that nothing on disk need be readable for that user. The process ends itself at
 * the end of its stdin (the service is gone), when nothing comes for one lease, and above `memoryBytes` resident.
 */
export function nodeHarness(
  interpreter: string,
  data: Readonly<Record<string, unknown>> = {},
  place: 'thread' | 'main thread' = 'thread',
): string {
  const start =
    place === 'thread'
      ? `new Worker(${JSON.stringify(FROM_PARENT + interpreter)}, { eval: true, workerData })`
      : `(() => { const { port1, port2: parentPort } = new MessageChannel(); (() => {${interpreter}})(); return port1; })()`;
  return String.raw`
const { Worker } = require('node:worker_threads');
const settings = JSON.parse(process.argv[1]);
const stop = (why) => { if (why) require('node:fs').writeSync(2, why + '\n'); process.kill(process.pid, 'SIGKILL'); };
const workerData = { ...${JSON.stringify(data)}, settings };
const interpreter = ${start};
interpreter.on('exit', () => process.exit(1));
interpreter.on('error', (error) => stop(String(error && error.message)));
setInterval(() => {
  if (process.memoryUsage.rss() > settings.memoryBytes) stop('it took more memory than its ' + (settings.memoryBytes >> 20) + ' MiB');
}, 100);
const answers = new (require('node:net').Socket)({ fd: 3, readable: false, writable: true });
const send = (text) => {
  const body = Buffer.from(text, 'utf8');
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.length, 0);
  answers.write(Buffer.concat([header, body]));
};
let lease;
const alive = () => { clearTimeout(lease); lease = setTimeout(stop, settings.leaseMs); };
let pieces = [], size = 0, wanted = 4, header = true;
const take = () => {
  const all = Buffer.concat(pieces);
  pieces = [all.subarray(wanted)];
  size -= wanted;
  return all.subarray(0, wanted);
};
let early = [];
interpreter.on('message', (text) => {
  if (text !== 'ready') return send(text);
  if (settings.dropTo) {
    process.setgroups([]);
    process.setgid(settings.dropTo.gid);
    process.setuid(settings.dropTo.uid);
  }
  for (const each of early) interpreter.postMessage(each);
  early = null;
});
process.stdin.on('data', (chunk) => {
  alive();
  pieces.push(chunk);
  size += chunk.length;
  while (size >= wanted) {
    const bytes = take();
    if (!header) early ? early.push(bytes.toString('utf8')) : interpreter.postMessage(bytes.toString('utf8'));
    const length = header ? bytes.readUInt32BE(0) : 0;
    header = length === 0;
    wanted = header ? 4 : length;
  }
});
process.stdin.on('end', () => stop());
alive();
`;
}
