// Starts the one database server that all test projects of a run share (test/support/database.ts makes databases on it).
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export default async function globalSetup() {
  const program = fileURLToPath(new URL('./database-server.mjs', import.meta.url));
  const child = spawn(process.execPath, ['--no-warnings', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answer = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)));
    child.once('exit', (code) => reject(new Error(`the test database server ended with code ${code}`)));
  });
  if (answer.error !== undefined) throw new Error(answer.error);
  process.env.TEST_DATABASE_SERVER = answer.url; // the processes that run the tests inherit it
  globalThis.testDatabaseServer = child;
}
