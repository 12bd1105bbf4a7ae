// A service in miniature, for tests that kill it: starts the embedded database in the folder given as first argument,
// says so in one line of JSON, then stays. SIGTERM stops both, and so does the end of the test run, which closes the pipe.
import './typescript-imports.mjs';

const { startEmbeddedPostgres } = await import('../../src/storage/embedded/embedded-postgres.ts');

const log = [];
const server = await startEmbeddedPostgres({ dataDir: process.argv[2], log: (message) => log.push(message) });
console.log(JSON.stringify({ url: server.url, log }));
process.stdin.resume().once('close', () => void server.stop());
process.once('SIGTERM', () => process.stdin.destroy());
