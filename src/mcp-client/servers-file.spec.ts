import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMcpServers } from './servers-file.js';

const folder = mkdtempSync(join(tmpdir(), 'showrunner-servers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (content: unknown) => {
  const path = join(folder, 'servers.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return readMcpServers(path);
};
const one = (server: object) => ({ mcpServers: { files: server } });

describe(readMcpServers.name, () => {
  it('reads the form that other hosts have, and tells one configuration from another', () => {
    expect(readMcpServers('')).toEqual([]);
    const [server] = read(one({ command: '/bin/server', args: ['-x'], env: { A: 'b' }, cwd: '/tmp' }));
    expect(server).toMatchObject({ kind: 'stdio', name: 'files', command: '/bin/server', args: ['-x'], env: { A: 'b' }, cwd: '/tmp' });
    expect(read(one({ command: '/bin/server' }))[0]).toMatchObject({ args: [], env: {}, cwd: null });
    const none = { memoryBytes: null, cpuSeconds: null, fileBytes: null, openFiles: null };
    expect(server!.limits).toEqual(none);
    const limited = read(one({ command: '/bin/server', limits: { memory_mb: 2, cpu_seconds: 3 } }))[0]!;
    expect(limited.limits).toEqual({ ...none, memoryBytes: 2 * 1_048_576, cpuSeconds: 3 });
    expect(read(one({ command: '/bin/server' }))[0]!.version).not.toBe(server!.version);
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /not JSON/],
    ['no mapping', [], /no mapping "mcpServers"/],
    ['a name that is no path', { mcpServers: { 'a/b': { command: '/bin/x' } } }, /has a name/],
    ['a command that is looked up', one({ command: 'npx' }), /absolute path/],
    ['no command', one({}), /absolute path/],
    ['arguments as one text', one({ command: '/bin/x', args: '-c id' }), /"args"/],
    ['an argument that is no text', one({ command: '/bin/x', args: [1] }), /"args"/],
    ['a variable that is no name', one({ command: '/bin/x', env: { 'A=B': 'secret-value' } }), /"env"/],
    ['a variable that is no text', one({ command: '/bin/x', env: { A: 1 } }), /"env"/],
    ['a relative folder', one({ command: '/bin/x', cwd: 'here' }), /"cwd"/],
    ['limits that are none', one({ command: '/bin/x', limits: 5 }), /"limits"/],
    ['a limit that nobody knows', one({ command: '/bin/x', limits: { gpu: 1 } }), /unknown limit "gpu"/],
    ['a limit of nothing', one({ command: '/bin/x', limits: { memory_mb: 0 } }), /memory_mb/],
    ['a limit as a text', one({ command: '/bin/x', limits: { cpu_seconds: '5' } }), /cpu_seconds/],
    ['a key that nobody knows', one({ command: '/bin/x', shell: true }), /unknown key "shell"/],
  ])('refuses %s', (_name, content, message) => {
    expect(() => read(content)).toThrow(message);
    expect(() => read(content)).not.toThrow(/secret-value/);
  });

  it('refuses a file that is not there', () => expect(() => readMcpServers(join(folder, 'nothing'))).toThrow(/cannot be read|can be read/));
});
