// The PostgreSQL of a run, in a process of its own, as durable as the real one. It is started by what the repository already has for that (the
// embedded binaries, an unprivileged user where we are root) and is started again whenever it ends, on the same port: nemesis only has to end it.
// node database-server.mjs <folder> [settings as JSON]; prints {"url"} or {"error"}; stops and ends when its standard input closes.
import '../../support/typescript-imports.mjs';

const { startEmbeddedPostgres } = await import('../../../src/storage/embedded/embedded-postgres.ts');

const closed = new Promise((resolve) => process.stdin.resume().once('close', resolve));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
const lines = [];
try {
  const server = await startEmbeddedPostgres({
    dataDir: process.argv[2],
    log: (message) => lines.push(message),
    settings: { max_connections: '200', ...JSON.parse(process.argv[3] ?? '{}') },
  });
  console.log(JSON.stringify({ url: server.url }));
  await closed;
  await server.stop();
} catch (error) {
  console.log(JSON.stringify({ error: [error.message, ...lines].join('\n') }));
  process.exitCode = 1;
}
