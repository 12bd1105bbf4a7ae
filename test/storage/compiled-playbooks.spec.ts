import { type DataSource } from 'typeorm';
import { parsePlaybook } from '../../src/engine/playbook/parse-playbook.js';
import { type Playbook } from '../../src/engine/playbook/playbook.js';
import { CompiledPlaybooks } from '../../src/storage/compiled-playbooks.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { PlaybookRepository } from '../../src/storage/repositories/playbook.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const TEXT = 'metadata: {name: hello}\nworkflow:\n  - step: start\n    next: end\n  - step: end\n';
let database: TestDatabase;
let db: DataSource;
let playbooks: PlaybookRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await createDataSource(database.url, { poolSize: 5 }).initialize();
  await db.runMigrations();
  playbooks = new PlaybookRepository(db);
  const { playbook } = parsePlaybook(TEXT);
  await playbooks.register('default', 'hello', [], 'anonymous', () => ({
    add: {
      id: '7',
      name: 'hello',
      kind: 'Playbook',
      version: { text: '1.0.0', major: 1, minor: 0, patch: 0, prereleaseKey: '~' },
      digest: 'digest',
      source: TEXT,
      normalised: playbook as Playbook,
      description: null,
      warnings: [],
      registeredBy: 'anonymous',
    },
  }));
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

describe(CompiledPlaybooks.name, () => {
  it('reads and compiles an entry once, also for callers at the same time', async () => {
    const compiled = new CompiledPlaybooks(playbooks, new Map());
    expect(compiled.compiledSync('default', '7')).toBeNull();
    const [one, two] = await Promise.all([compiled.compiled('default', '7'), compiled.compiled('default', '7')]);
    expect(two).toBe(one);
    expect(one.steps.map(({ name }) => name)).toEqual(['start', 'end']);
    expect(compiled.compiledSync('default', '7')).toBe(one);
    expect(await compiled.compiled('default', '7')).toBe(one);
  });

  it('compiles the same from the stored form as from the text', async () => {
    const compiled = await new CompiledPlaybooks(playbooks, new Map()).compiled('default', '7');
    expect(compiled.playbook).toEqual(parsePlaybook(TEXT).playbook);
  });

  it.each(['null', '"text"', '{}', '{"workflow": null}', '{"workflow": [null]}', '[[]]'])(
    'says of an entry that was damaged since, %s, that it cannot be used: nobody is to try again',
    async (stored) => {
      const [row] = await db.query<{ normalised: unknown }[]>(`SELECT normalised FROM playbook WHERE id = 7`);
      await db.query(`UPDATE playbook SET normalised = $1 WHERE id = 7`, [stored]);
      try {
        const compiling = new CompiledPlaybooks(playbooks, new Map()).compiled('default', '7');
        await expect(compiling).rejects.toMatchObject({ kind: 'invalid', code: 'invalid_document' });
      } finally {
        await db.query(`UPDATE playbook SET normalised = $1 WHERE id = 7`, [JSON.stringify(row?.normalised)]);
      }
    },
  );

  it('gives nothing to another tenant, and does not remember that', async () => {
    const compiled = new CompiledPlaybooks(playbooks, new Map());
    const one = await compiled.compiled('default', '7');
    expect(compiled.compiledSync('other', '7')).toBeNull();
    await expect(compiled.compiled('other', '7')).rejects.toMatchObject({ code: 'unknown_playbook', kind: 'not_found' });
    await expect(compiled.compiled('default', '8')).rejects.toMatchObject({ code: 'unknown_playbook' });
    compiled.keep('default', '8', one, 10);
    expect(await compiled.compiled('default', '8')).toBe(one);
  });
});
