import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StepServices } from '../engine/step-services.js';
import { loadSteps } from './load-steps.js';

const services = {
  outbound: { fetch: () => Promise.reject(new Error('unused')) },
  sandbox: {
    networkDenied: false,
    runJavaScript: () => Promise.reject(new Error('not run')),
    runPython: () => Promise.reject(new Error('unused')),
  },
  secrets: { fetch: () => Promise.reject(new Error('unused')) },
} as unknown as StepServices;

describe(loadSteps.name, () => {
  it('finds a kind in every folder, under the name of the folder', async () => {
    const kinds = await loadSteps(services);
    expect([...kinds.keys()]).toEqual(expect.arrayContaining(['http', 'javascript', 'python']));
    for (const [name, kind] of kinds) expect(kind.kind).toBe(name);
  });

  it.each([
    ['has no step file', [], /one has 0 step files/],
    ['has two', ['a.step.js', 'b.step.js'], /one has 2 step files/],
    ['has another kind', ['one.step.js'], /defines the kind other/],
  ])('refuses a folder that %s', async (_name, files, message) => {
    const folder = mkdtempSync(join(tmpdir(), 'load-steps-'));
    mkdirSync(join(folder, 'one'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    for (const file of files) writeFileSync(join(folder, 'one', file), "export default { kind: 'other' };");
    await expect(loadSteps(services, folder)).rejects.toThrow(message);
  });
});
