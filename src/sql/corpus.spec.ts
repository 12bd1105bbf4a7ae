import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePlaybook } from '../engine/playbook/parse-playbook.js';
import { type Action, type Save } from '../engine/playbook/playbook.js';
import { Rendering } from '../engine/template/rendering.js';
import { TemplateReference } from '../engine/template/scope.js';
import { type Json, own } from '../engine/values.js';
import { compileCommand } from './sql-command.js';
import { type Dialect } from './sql-lexer.js';
import { writeStatement } from './write-statement.js';

const ROOT = 'test/fixtures/playbooks';

interface Found {
  readonly file: string;
  readonly dialect: Dialect;
  readonly command: Json;
}

function sqlOf(file: string): Found[] {
  const { playbook } = parsePlaybook(readFileSync(join(ROOT, file), 'utf8'));
  if (!playbook) return [];
  const ofSave = ({ storage, fields }: Save): Found[] => {
    const command = own(fields, 'statement') ?? own(fields, 'commands');
    return (storage === 'postgres' || storage === 'duckdb') && command !== undefined ? [{ file, dialect: storage, command }] : [];
  };
  const ofAction = ({ type, fields, save, tasks }: Action): Found[] => [
    ...(type === 'postgres' || type === 'duckdb' ? [{ file, dialect: type, command: own(fields, 'command') ?? null } as const] : []),
    ...save.flatMap(ofSave),
    ...tasks.flatMap(ofAction),
  ];
  const actions = [...playbook.workbook, ...playbook.workflow.flatMap(({ action }) => (action ? [action] : []))];
  return [...actions.flatMap(ofAction), ...playbook.workflow.flatMap(({ save }) => save.flatMap(ofSave))];
}

const FOUND = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .sort()
  .flatMap(sqlOf);

/** Whatever is asked for, it is a text that would break out of any place that does not hold it. */
class Hostile extends TemplateReference {
  get(): unknown {
    return this;
  }
  unwrap(): Json {
    return `x'; DROP TABLE canary; -- "$$ \\ */`;
  }
}
const scope = { lookup: (): unknown => new Hostile() };

describe('the SQL of real playbooks', () => {
  it('is found', () => expect(FOUND.length).toBeGreaterThan(60));

  it.each(FOUND.map((found, index) => [`${index} ${found.file}`, found] as const))('%s', (_name, { dialect, command }) => {
    const compiled = compileCommand(command, dialect, '/command');
    const rendering = new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0.5, nextId: () => '1' });
    const isWhole = typeof command === 'string' && /^\s*\{\{[^}]*\}\}\s*$/.test(command);
    if (isWhole) return expect(() => compiled.render(scope, rendering, null, { unsafe: 'refuse', maxRows: 1 })).toThrow(/UNSAFE_SQL/);
    for (const statement of compiled.render(scope, rendering, null, { unsafe: 'refuse', maxRows: 1 })) {
      const { ownText } = writeStatement(statement, { dialect });
      expect(ownText).not.toContain('canary');
    }
  });
});
