import { runStep } from '../support/code-runs.js';
import { startTestService, type TestService } from '../support/service.js';

describe('javascript steps', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ ISOLATION: 'process' });
  });
  afterAll(() => service.stop());

  it('runs main(inputs) with the values of other steps, and keeps what it logged', async () => {
    await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: prices, path: prices }
workload: { factor: 2 }
workflow:
  - { step: start, next: fetch }
  - step: fetch
    type: python
    code: |
      def main(): return {"prices": [1, 2.5], "city": "Ulm"}
    next: total
  - step: total
    type: javascript
    data: { prices: "{{ fetch.prices }}", factor: "{{ workload.factor }}" }
    code: |
      async function main({ prices, factor }) {
        console.log('prices', prices)
        const sum = await Promise.resolve(prices.reduce((a, b) => a + b, 0))
        return { total: sum * factor, city: context.fetch.city }
      }
    next: end
  - { step: end, result: "{{ total }}" }
`);
    const id = await service.execute('prices');
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { total: 7, city: 'Ulm' } });
    const events = await service.events(id);
    expect(events.map(({ meta }) => meta['logs']).filter(Boolean)).toEqual(['prices [1,2.5]\n']);
  });

  it.each([
    ['an error, with its line', { code: 'function main() {\n  throw new TypeError("no")\n}' }, 'javascript_error', /TypeError: no/],
    ['a status of error', { code: 'const result = { status: "error", error: "sold out" }' }, 'step_error', /sold out/],
    ['code that does not parse', { code: 'function main( {' }, 'javascript_error', /SyntaxError/],
    ['no main', { code: 'const x = 1' }, 'javascript_error', /neither main\(\) nor a variable called result/],
    ['what cannot be stored', { code: 'const result = [NaN]' }, 'result_not_storable', /result\[0\] is NaN/],
    ['a result that is too large', { code: 'const result = "x".repeat(16 << 20)' }, 'result_too_large', /limit/],
    ['all memory', { code: 'const all = []; while (true) all.push(new Uint8Array(1 << 20))' }, 'javascript_error', /out of memory/],
    ['8 GiB at once', { code: 'new ArrayBuffer(8 * 1024 ** 3)' }, 'javascript_error', /RangeError/],
  ])('fails on %s', async (_name, fields, code, message) => {
    const run = await runStep(service, 'javascript', fields);
    expect([run.status, run.code]).toEqual(['failed', code]);
    expect(run.message).toMatch(message);
  });

  it('ends code that never returns', async () => {
    const run = await runStep(
      service,
      'javascript',
      { code: 'function main() { while (true) { try { while (true); } catch {} } }' },
      { timeout: 1 },
    );
    expect([run.status, run.code]).toEqual(['failed', 'timeout']);
    expect((await runStep(service, 'javascript', { code: 'const result = 1' })).result).toBe(1);
  });

  it('keeps 64 KiB of a gigabyte of logs', async () => {
    const { result, logs } = await runStep(service, 'javascript', {
      code: 'function main() { const line = "x".repeat(1 << 20); for (let n = 0; n < 1024; n++) console.log(line); return 1 }',
    });
    expect(result).toBe(1);
    expect(logs).toMatch(/^x+\n\[output cut at 65536 bytes\]\n$/);
  });

  it('refuses a step without code at registration', async () => {
    const { status, json } = await service.post('/catalog/register', {
      content:
        'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: x, path: x }\nworkflow: [{ step: start, type: javascript, code: " " }]',
    });
    expect(status).toBe(422);
    expect(JSON.stringify(json)).toContain('missing_field');
  });
});
