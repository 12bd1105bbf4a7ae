import { execFileSync } from 'node:child_process';
import { StdioTransport } from './stdio-transport.js';

const CLASSES = new URL('../../test/support/threads/typescript-classes.mjs', import.meta.url).href;

describe(StdioTransport.name, () => {
  it('cannot start a process without descriptors, and says so', () => {
    const program = `
      import { openSync } from 'node:fs';
      import { StdioTransport } from ${JSON.stringify(new URL('./stdio-transport.ts', import.meta.url).href)};
      const limits = { memoryBytes: null, cpuSeconds: null, fileBytes: null, openFiles: null };
      const server = { kind: 'stdio', name: 's', version: '1', command: '/bin/cat', args: [], env: {}, cwd: null, limits };
      const transport = new StdioTransport(server, () => undefined);
      try { for (;;) openSync('/dev/null'); } catch {}
      const heard = await transport.start().catch((error) => error.message);
      await transport.close();
      console.log(heard);`;
    const node = [process.execPath, '--no-warnings', '--import', CLASSES, '--input-type=module', '-e', program];
    expect(execFileSync('/bin/sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...node], { encoding: 'utf8' })).toBe(
      'cannot be started (EMFILE)\n',
    );
  });
});
