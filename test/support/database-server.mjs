// The database server of one test run, in a process of its own. It prints the address, and when its standard input
// closes - the test run ended, in whatever way - it stops the server and removes the data.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import './typescript-imports.mjs';

const { startEmbeddedPostgres } = await import('../../src/storage/embedded/embedded-postgres.ts');

const closed = new Promise((resolve) => process.stdin.resume().once('close', resolve));
// Ctrl-C reaches the whole group: the run's own end decides, through the pipe.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

const dataDir = mkdtempSync(join(tmpdir(), 'showrunner-database-'));
const lines = [];
try {
  const server = await startEmbeddedPostgres({
    dataDir,
    log: (message) => lines.push(message),
    // Nothing here outlives the run: no need to wait for the disk.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  });
  console.log(JSON.stringify({ url: server.url }));
  await closed;
  await server.stop();
} catch (error) {
  console.log(JSON.stringify({ error: [error.message, ...lines].join('\n') }));
  process.exitCode = 1;
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
