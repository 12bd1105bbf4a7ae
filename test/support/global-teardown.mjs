export default async function globalTeardown() {
  const child = globalThis.testDatabaseServer;
  if (child === undefined || child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.stdin.end();
  await gone;
}
