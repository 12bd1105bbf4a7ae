import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { Rendering } from '../engine/template/rendering.js';
import { compileSql } from './compile-sql.js';
import { writeStatement } from './write-statement.js';

/** Every character up to the CJK ideographs, and those above them. */
const CHARACTERS = [...Array.from({ length: 0x3100 - 0x80 }, (_, at) => at + 0x80), 0xfeff, 0xfffd].map((code) =>
  String.fromCharCode(code),
);
const BLANKS = CHARACTERS.filter((character) => /[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]/.test(character));
/** Where a literal E'…' is taken for one without escapes, this ends it, and its last part is a column of its own. */
const HOSTILE = String.raw`\' , (SELECT 42) --`;

describe('what DuckDB takes for a blank', () => {
  let connection: DuckDBConnection;
  beforeAll(async () => (connection = await (await DuckDBInstance.create(':memory:')).connect()));
  afterAll(() => connection.closeSync());
  const rowOf = async (text: string): Promise<unknown> => (await connection.runAndReadAll(text)).getRowsJson()[0];
  const sent = (text: string): string => {
    const rendering = new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0.5, nextId: () => '1' });
    const scope = { lookup: (name: string) => (name === 'v' ? HOSTILE : undefined) };
    const [statement] = compileSql(text, 'duckdb', '/command').render(scope, rendering, { unsafe: 'refuse', binds: null });
    return writeStatement(statement!, { dialect: 'duckdb' }).text;
  };

  it('is known', async () => {
    const found: string[] = [];
    for (const blank of CHARACTERS) {
      const result = await connection.runAndReadAll(`SELECT 1${blank}AS${blank}x`).catch(() => null);
      if (result?.columnNames()[0] === 'x') found.push(blank);
    }
    expect(found).toEqual(BLANKS);
  });

  it.each([
    ['before a text with escapes', (blank: string) => `SELECT${blank}e'{{ v }}'`],
    ['before the second part of one', (blank: string) => `SELECT e''${blank}\n'{{ v }}'`],
    ['after a value', (blank: string) => `SELECT {{ v }}${blank}AS${blank}x`],
  ])('keeps a value what it is %s', async (_where, text) => {
    for (const blank of BLANKS) expect(await rowOf(sent(text(blank)))).toEqual([HOSTILE]);
  });

  it('stays a part of names for PostgreSQL', () => {
    const [output] = compileSql('SELECT 1 AS {{ v }}\u00a0x', 'postgres', '/command').render(
      { lookup: () => 'a' },
      new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0.5, nextId: () => '1' }),
      { unsafe: 'refuse', binds: null },
    );
    expect(writeStatement(output!, { dialect: 'postgres' }).text.trim()).toBe('SELECT 1 AS  "a\u00a0x"');
  });
});
