import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outbound } from '../engine/outbound-port.js';
import { type ScriptSource } from '../engine/script-port.js';
import { ScriptLoader } from './script-loader.js';

const signal = new AbortController().signal;
const DIGEST_OF_X = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';

describe(ScriptLoader.name, () => {
  let folder: string;
  let root: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'showrunner-scripts-')));
    root = join(folder, 'root');
    mkdirSync(join(root, 'a'), { recursive: true });
    writeFileSync(join(root, 'a', 'x.py'), 'x');
    writeFileSync(join(root, 'latin.py'), Buffer.from([0xff, 0xfe]));
    writeFileSync(join(root, 'large.py'), Buffer.alloc(1_048_577, 32));
    writeFileSync(join(folder, 'secret.py'), 'secret');
    mkdirSync(join(folder, 'root-of-others'));
    writeFileSync(join(folder, 'root-of-others', 'x.py'), 'x');
    symlinkSync(join(folder, 'secret.py'), join(root, 'link.py'));
    symlinkSync(folder, join(root, 'out'));
    execFileSync('mkfifo', [join(root, 'pipe.py')]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const answers = (status: number, body = 'x'): Outbound => ({
    fetch: ({ url, maxResponseBytes }) =>
      Promise.resolve({ status, url: `${url}${maxResponseBytes}`, headers: {}, body: Buffer.from(body), elapsedMs: 1 }),
  });
  const load = (source: Partial<ScriptSource>, outbound = answers(200)) =>
    new ScriptLoader(root, outbound).load({ type: 'file', uri: '', sha256: null, ...source }, signal);

  it.each([['a/x.py'], ['./a/x.py'], ['ROOT/a/x.py'], ['file://ROOT/a/x.py']])('loads %s', async (uri) => {
    expect(await load({ uri: uri.replace('ROOT', root) })).toEqual({ text: 'x', digest: DIGEST_OF_X });
  });

  it.each([
    ['none'],
    ['../secret.py'],
    ['a/../../secret.py'],
    ['/etc/passwd'],
    ['file:///etc/passwd'],
    ['file://host/etc/passwd'],
    ['ROOT-of-others/x.py'],
    ['link.py'],
    ['out/secret.py'],
    ['pipe.py'],
    ['a'],
    ['a\\x.py'],
    ['a/x.py\0'],
    ['latin.py'],
    ['large.py'],
    ['file://ROOT/a/..%2f..%2fsecret.py'],
  ])('refuses %j', async (uri) => {
    await expect(load({ uri: uri.replace('ROOT', root) })).rejects.toMatchObject({ code: 'script_unavailable', retryable: false });
  });

  it('loads no files without a root', async () => {
    const loader = new ScriptLoader(null, answers(200));
    await expect(loader.load({ type: 'file', uri: '/etc/passwd', sha256: null }, signal)).rejects.toMatchObject({
      code: 'script_unavailable',
    });
  });

  it('holds a pinned digest against the text', async () => {
    expect(await load({ uri: 'a/x.py', sha256: DIGEST_OF_X })).toMatchObject({ text: 'x' });
    await expect(load({ uri: 'a/x.py', sha256: DIGEST_OF_X.replace('2', '3') })).rejects.toMatchObject({ code: 'script_unavailable' });
  });

  it('loads from addresses, by status', async () => {
    expect(await load({ type: 'http', uri: 'http://h/x.py' })).toEqual({ text: 'x', digest: DIGEST_OF_X });
    await expect(load({ type: 'http', uri: 'http://h/x.py' }, answers(404))).rejects.toMatchObject({ retryable: false });
    await expect(load({ type: 'http', uri: 'http://h/x.py' }, answers(503))).rejects.toMatchObject({ retryable: true });
  });
});
