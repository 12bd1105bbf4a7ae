import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parsePlaybook } from '../../../src/engine/playbook/parse-playbook.js';
import { CORPUS } from './corpus-table.js';
import { DOCUMENTS } from './world.js';

const files = readdirSync(DOCUMENTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
const textOf = (file: string): string => readFileSync(join(DOCUMENTS, file), 'utf8');
const specOf = (name: string): string => join(process.cwd(), 'test', 'api', name);

describe('the table of real documents', () => {
  it('names every one, and no other', () => expect(Object.keys(CORPUS).sort()).toEqual(files.sort()));

  it.each(Object.entries(CORPUS))('is true of %s', (file, { needs, ends, spec }) => {
    const text = textOf(file);
    const { playbook, errors } = parsePlaybook(text);
    const code = /^refused: (\w+)$/.exec(ends)?.[1];
    expect(errors.map((error) => error.code)).toEqual(code === undefined ? [] : expect.arrayContaining([code]));
    const words = JSON.stringify(playbook?.workflow ?? []) + JSON.stringify(playbook?.workbook ?? []);
    for (const need of ['python', 'postgres', 'duckdb'] as const) {
      const uses = words.includes(`"type":"${need}"`) || words.includes(`"storage":"${need}"`);
      if (uses && playbook) expect({ file, needs }).toMatchObject({ needs: expect.arrayContaining([need]) as string[] });
    }
    expect(readFileSync(specOf(spec), 'utf8')).toContain(basename(file, '.yaml'));
  });
});
