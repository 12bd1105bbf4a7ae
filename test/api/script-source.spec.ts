import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runStep } from '../support/code-runs.js';
import { startTestService, type TestService } from '../support/service.js';

const PYTHON = 'def main(a, context):\n  print("here")\n  return {"twice": a * 2, "seen": context["execution_id"] is not None}\n';

describe('scripts that lie elsewhere', () => {
  let service: TestService;
  let root: string;
  let server: Server;
  let url: string;
  const requests: string[] = [];
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'showrunner-root-'));
    writeFileSync(join(root, 'twice.py'), PYTHON);
    writeFileSync(join(root, 'twice.js'), 'const main = ({ a }) => ({ twice: a * 2 })');
    symlinkSync('/etc/passwd', join(root, 'passwd.py'));
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      if (request.url === '/large.py') response.end('#'.repeat(2_000_000));
      else if (request.url === '/scripts/twice.py') response.end(PYTHON);
      else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    url = `http://127.0.0.1:${port}`;
    service = await startTestService({ ISOLATION: 'process', SCRIPT_ROOT: root, OUTBOUND_ALLOW: `127.0.0.1:${port}` });
  });
  afterAll(async () => {
    await service.stop();
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true });
  });

  const script = (uri: string, source?: { type: string; endpoint?: string }) => ({
    script: { uri, ...(source ? { source } : {}) },
    data: { a: 21 },
  });

  it('runs a file below SCRIPT_ROOT, in python and in javascript, and records which text ran', async () => {
    const python = await runStep(service, 'python', script('twice.py', { type: 'file' }));
    expect([python.message, python.result]).toEqual(['""', { twice: 42, seen: true }]);
    expect(python.logs).toMatch(/^\[script twice\.py sha256:[0-9a-f]{64}\]\nhere\n$/);
    const javascript = await runStep(service, 'javascript', script('{{ workload.name }}.js'), { parameters: { name: 'twice' } });
    expect([javascript.message, javascript.result]).toEqual(['""', { twice: 42 }]);
  });

  it('gives main() of a script steps and workload keys by name, below its inputs', async () => {
    writeFileSync(join(root, 'named.py'), 'def main(a, city, start, b=1):\n  return [a, city, start, b]');
    const run = await runStep(service, 'python', script('named.py'), { parameters: { city: 'Ulm', a: 'not this', b: 2 } });
    expect([run.message, run.result]).toEqual(['""', [21, 'Ulm', {}, 2]]);
  });

  it('runs what an address gives', async () => {
    const whole = await runStep(service, 'python', script(`${url}/scripts/twice.py`));
    expect([whole.message, whole.result]).toEqual(['""', { twice: 42, seen: true }]);
    const parts = await runStep(service, 'python', script('scripts/twice.py', { type: 'http', endpoint: url }));
    expect(parts.result).toEqual({ twice: 42, seen: true });
    const named = await runStep(service, 'python', script('twice.py', { type: 'http', endpoint: `${url}/scripts/twice.py` }));
    expect(named.result).toEqual({ twice: 42, seen: true });
    expect(requests).toEqual(['/scripts/twice.py', '/scripts/twice.py', '/scripts/twice.py']);
  });

  it.each([
    ['a file elsewhere', '/etc/passwd', 'file', 'script_unavailable'],
    ['a way out', '../x.py', 'file', 'script_unavailable'],
    ['a link', 'passwd.py', 'file', 'script_unavailable'],
    ['a missing file', 'none.py', 'file', 'script_unavailable'],
    ['a blocked address', 'http://169.254.169.254/x.py', 'http', 'outbound_blocked'],
    ['another port of this machine', 'http://127.0.0.1:1/x.py', 'http', 'outbound_blocked'],
    ['a missing page', 'URL/none.py', 'http', 'script_unavailable'],
    ['a page that is too large', 'URL/large.py', 'http', 'response_too_large'],
    ['a bucket', 'gs://bucket/x.py', 'gcs', 'unsupported_script'],
  ])('refuses %s', async (_name, uri, type, code) => {
    const run = await runStep(service, 'python', script(uri.replace('URL', url), { type }));
    expect([run.status, run.code]).toEqual(['failed', code]);
    expect(run.message).not.toContain('root:');
  });
});
