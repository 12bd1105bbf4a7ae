import { type SqlPolicy } from '../engine/database-port.js';
import { Rendering } from '../engine/template/rendering.js';
import { EngineError } from '../engine/engine-error.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Block, type Statement } from '../engine/template/template.js';
import { type Json } from '../engine/values.js';
import { arrangeStatements } from './arrange.js';
import { bindsOf } from './binds.js';
import { checkPlaces } from './check-places.js';
import { compileSql } from './compile-sql.js';
import { type Dialect } from './sql-lexer.js';
import { writeStatement } from './write-statement.js';

interface Options {
  readonly dialect?: Dialect;
  readonly unsafe?: SqlPolicy['unsafe'];
  readonly parameters?: Json;
  readonly backslashEscapes?: boolean;
}
const HOSTILE = `a'; DROP TABLE t; --`;
const NAMES: Record<string, Json> = {
  ...{ x: HOSTILE, n: 5, neg: -3, no: null, yes: true, list: [1, null, 'a"\\'], map: { 'k"': "v'" }, back: `\\'; DROP`, nul: 'a\0b' },
  ...{
    table: 'Users',
    path: 'App.Users',
    odd: 'we"ird; t',
    dollar: '$$; DROP TABLE t; $$',
    sql: 'SELECT 1; SELECT 2',
    open: "SELECT 'a",
    rows: [{ a: 1 }, { a: "b'" }],
  },
  ...{ half: '\ud800', tag: 'a$json$b', line: 'x\nDROP TABLE t', other: ' */ DROP', number: '10', col: 'name' },
};
const rendering = () => new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0.5, nextId: () => '1' });

function sent(text: string, { dialect = 'postgres', unsafe = 'allow', parameters = null, backslashEscapes = false }: Options = {}) {
  const scope = { lookup: (name: string): Json | undefined => NAMES[name] };
  const statements = compileSql(text, dialect, '/command').render(scope, rendering(), { unsafe, binds: bindsOf(parameters, [text]) });
  return statements.map((statement) => writeStatement(statement, { dialect, backslashEscapes }));
}
const texts = (text: string, options?: Options): string[] => sent(text, options).map((statement) => statement.text.trim());

function refusal(text: string, options?: Options): { code: string; message: string } {
  try {
    sent(text, options);
  } catch (error) {
    if (error instanceof EngineError) return { code: error.issues[0]!.code, message: error.message };
    if (error instanceof StepFailure) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

describe('values take the form of their place', () => {
  it.each<[string, string, string]>([
    ['bare text', 'SELECT {{ x }}', `SELECT  'a''; DROP TABLE t; --'`],
    ['in quotes', "SELECT '<{{ x }}>'", `SELECT '<a''; DROP TABLE t; -->'`],
    ['in quotes, doubled ones around', "SELECT 'it''s {{ x }}'''", `SELECT 'it''s a''; DROP TABLE t; --'''`],
    ["in E'…'", "SELECT E'\\n{{ back }}'", `SELECT E'\\n\\\\''; DROP'`],
    ["in N'…'", "SELECT N'{{ x }}'", `SELECT N'a''; DROP TABLE t; --'`],
    ['in a dollar quote', 'SELECT $${{ dollar }}$$', `SELECT  '$$; DROP TABLE t; $$'`],
    ['in a tagged dollar quote with quotes of its own', "SELECT $json$it's {{ tag }}$json$::text", `SELECT  'it''s a$json$b' ::text`],
    ['in a quoted name', 'SELECT "{{ odd }}"', `SELECT "we""ird; t"`],
    ['a table', 'SELECT * FROM {{ table }}', `SELECT * FROM  "users"`],
    ['a table in a schema', 'SELECT * FROM {{ path }} t', `SELECT * FROM  "app"."users"  t`],
    ['a table with an odd name', 'DELETE FROM {{ odd }}', `DELETE FROM  "we""ird; t"`],
    ['after a dot', 'SELECT * FROM public.{{ path }}', `SELECT * FROM public. "App.Users"`],
    ['before a dot', 'SELECT * FROM {{ table }}.x', `SELECT * FROM  "users" .x`],
    ['a part of a name', 'CREATE INDEX Idx_{{ table }}_b ON {{ table }} (b)', `CREATE INDEX  "idx_users_b"  ON  "users"  (b)`],
    ['a part of an odd name', 'CREATE INDEX idx_{{ odd }}_b ON t (b)', `CREATE INDEX  "idx_we""ird; t_b"  ON t (b)`],
    ['two parts of a name', 'SELECT * FROM {{ table }}{{ n }}_x', `SELECT * FROM  "users5_x"`],
    ['a name by its filter', 'SELECT {{ col | sql_identifier }} FROM t', `SELECT  "name"  FROM t`],
    ['a column to order by', 'SELECT 1 ORDER BY {{ col }}', `SELECT 1 ORDER BY  "name"`],
    ['a number to order by', 'SELECT 1 ORDER BY {{ n }}', `SELECT 1 ORDER BY  5`],
    ['a number', 'SELECT 1 LIMIT {{ n }}', 'SELECT 1 LIMIT  5'],
    ['a negative number after a minus', 'SELECT 5 -{{ neg }}', 'SELECT 5 - (-3)'],
    ['null', 'SELECT {{ no }}', 'SELECT  NULL'],
    ['null in quotes', "SELECT '{{ no }}'", "SELECT ''"],
    ['nothing', 'SELECT {{ missing.thing }}', 'SELECT  NULL'],
    ['a boolean', "SELECT {{ yes }}, '{{ yes }}'", "SELECT  TRUE , 'true'"],
    ['a list', 'SELECT {{ list }}', `SELECT  E'[1,null,"a\\\\"\\\\\\\\"]'`],
    ['a mapping', "SELECT '{{ map }}'::jsonb", `SELECT '{"k\\"":"v''"}'::jsonb`],
    ['tojson', "SELECT '{{ map | tojson }}'::jsonb", `SELECT '{"k\\"":"v''"}'::jsonb`],
    ['quotes that the author doubles', `SELECT '{{ map | tojson | replace("'", "''") }}'`, `SELECT '{"k\\"":"v''"}'`],
    ['an array in ANY', 'SELECT 1 = ANY({{ list }})', `SELECT 1 = ANY( E'{1,NULL,"a\\\\"\\\\\\\\"}' )`],
    ['an array in a cast', 'SELECT {{ list }}::text[]', `SELECT  E'{1,NULL,"a\\\\"\\\\\\\\"}' ::text[]`],
    ['an array after ARRAY', 'SELECT ARRAY{{ list }}', String.raw`SELECT ARRAY [1,NULL,E'a"\\']`],
    ['an array after ARRAY and a blank', 'SELECT 1 = ANY(array {{ rows }})', `SELECT 1 = ANY(array  ['{"a":1}','{"a":"b''"}'] )`],
    ['a name that ends like ARRAY', 'SELECT * FROM my_array{{ n }}', `SELECT * FROM  "my_array5"`],
    ['no list after ARRAY', 'SELECT * FROM array{{ n }}', `SELECT * FROM  "array5"`],
    ['bare text with a backslash', 'SELECT {{ back }}', `SELECT  E'\\\\''; DROP'`],
    ['in a comment', 'SELECT 1 -- {{ line }}\n, 2', 'SELECT 1 -- \n, 2'],
    ['in a block comment', 'SELECT 1 /* {{ other }} */', 'SELECT 1 /*  */'],
    ['after FROM in EXTRACT', 'SELECT extract(year FROM {{ x }})', `SELECT extract(year FROM  'a''; DROP TABLE t; --' )`],
    ['after DISTINCT FROM', 'SELECT 1 WHERE a IS DISTINCT FROM {{ n }}', 'SELECT 1 WHERE a IS DISTINCT FROM  5'],
    ['a join condition', 'SELECT 1 FROM a JOIN b ON {{ n }} = b.n', 'SELECT 1 FROM a JOIN b ON  5  = b.n'],
    ['a letter before a quote that is no prefix', 'SELECT e {{ x }}', `SELECT e  'a''; DROP TABLE t; --'`],
    ['after U&', 'SELECT U&{{ x }}', `SELECT U& 'a''; DROP TABLE t; --'`],
    ['raw text', 'SELECT {{ "1 + 1" | sql_raw }}', 'SELECT 1 + 1'],
    ['conditions', 'SELECT 1 {% if n > 1 %}WHERE a = {{ x }}{% endif %}', `SELECT 1 WHERE a =  'a''; DROP TABLE t; --'`],
    [
      'loops',
      'INSERT INTO t VALUES {% for r in rows %}({{ r.a }}){% if not loop.last %},{% endif %}{% endfor %}',
      `INSERT INTO t VALUES ( 1 ),( 'b''' )`,
    ],
    ['names of a block', 'SELECT {% with a = x, b = n %}{{ a }}, {{ b }}{% endwith %}', `SELECT  'a''; DROP TABLE t; --' ,  5`],
    ['the text of a macro', "{% macro m(v) %}'{{ v }}'{% endmacro %}SELECT {{ m(x) }}", `SELECT  '''a''; DROP TABLE t; --'''`],
    ['the text of a macro as SQL', '{% macro m(v) %}{{ v }} + 1{% endmacro %}SELECT {{ m("a") | sql_raw }}', 'SELECT a + 1'],
    [
      'the text of a call',
      '{% macro m() %}{{ caller() }}{% endmacro %}SELECT {% call m() %}{{ x }}{% endcall %}',
      `SELECT  'a''; DROP TABLE t; --'`,
    ],
    ['a filtered block', 'SELECT {% filter upper %}{{ x }}{% endfilter %}', `SELECT  'A''; DROP TABLE T; --'`],
    ['a direction', 'SELECT 1 ORDER BY a {{ "DESC" if n > 1 else "ASC" }} LIMIT {{ n }}', 'SELECT 1 ORDER BY a DESC LIMIT  5'],
    [
      'a direction with more',
      'SELECT 1 ORDER BY a {{ "DESC NULLS LAST" if n > 9 else "ASC NULLS FIRST" if yes }}',
      'SELECT 1 ORDER BY a ASC NULLS FIRST',
    ],
    [
      'a comma but after the last',
      'INSERT INTO t VALUES {% for r in rows %}({{ r.a }}){{ ", " if not loop.last }}{% endfor %}',
      `INSERT INTO t VALUES ( 1 ), ( 'b''' )`,
    ],
    ['a connective', 'SELECT 1 WHERE a = {{ n }} {{ "AND" if yes else "OR" }} b', 'SELECT 1 WHERE a =  5  AND b'],
    ['words that are values', 'SELECT 1 WHERE way = {{ "ASC" if yes else "DESC" }}', `SELECT 1 WHERE way =  'ASC'`],
    ['a mark that is a value', 'SELECT string_agg(a, {{ "," if yes else ";" }})', `SELECT string_agg(a,  ',' )`],
    ['other words that are chosen', 'SELECT a, {{ "on" if yes else "off" }}', `SELECT a,  'on'`],
    ['a list in IN', 'SELECT 1 WHERE a IN ({{ list | join(", ") }})', `SELECT 1 WHERE a IN ( 1 ,  NULL ,  E'a"\\\\' )`],
    [
      'a list with more in IN',
      'SELECT 1 WHERE a NOT IN (0, {{ [n, x] | join(",") }})',
      `SELECT 1 WHERE a NOT IN (0,  5 , 'a''; DROP TABLE t; --' )`,
    ],
    ['a quoted list in IN', `SELECT 1 WHERE a IN ('{{ ["b", x] | join("', '") }}')`, `SELECT 1 WHERE a IN ('b', 'a''; DROP TABLE t; --')`],
    ['a list in ARRAY', 'SELECT ARRAY[{{ ["b", n] | join(",") }}]::text[]', `SELECT ARRAY[ 'b' , 5 ]::text[]`],
    ['a list in VALUES', 'INSERT INTO t VALUES ({{ [n, x] | join(", ") }})', `INSERT INTO t VALUES ( 5 ,  'a''; DROP TABLE t; --' )`],
    ['a joined list elsewhere', 'SELECT {{ ["a", "b"] | join(",") }}', `SELECT  'a,b'`],
    ['a joined list in quotes', `SELECT '{{ ["a", "b'"] | join(", ") }}'`, `SELECT 'a, b'''`],
    ['variables', "{% set v %}'{{ n }}{% endset %}SELECT {{ v }}", `SELECT  '''5'`],
  ])('%s', (_name, text, expected) => expect(texts(text)).toEqual([expected]));

  it('leaves what holds no template as it is', () => {
    const text = "CREATE FUNCTION f() RETURNS text AS $f$ BEGIN RETURN 'a;b'; END $f$ LANGUAGE plpgsql";
    expect(texts(text)).toEqual([text]);
  });

  it('DuckDB keeps the case of names and has no E of its own', () => {
    expect(texts('SELECT {{ back }} FROM {{ table }}', { dialect: 'duckdb' })).toEqual([`SELECT  '\\''; DROP'  FROM  "Users"`]);
  });

  it('doubles backslashes where the session takes them for escapes', () => {
    expect(texts("SELECT '{{ back }}', {{ back }}", { backslashEscapes: true })).toEqual([`SELECT '\\\\''; DROP',  E'\\\\''; DROP'`]);
    expect(refusal("SELECT '\\', '{{ back }}'", { backslashEscapes: true }).code).toBe('sql_context');
  });
});

describe('statements', () => {
  it.each<[string, string, string[]]>([
    ['split at semicolons', 'SELECT 1; SELECT 2 ;', ['SELECT 1', 'SELECT 2']],
    [
      'not in quotes, names, dollars and comments',
      `SELECT ';', E'\\';', ";", $$;$$, $a$;$$;$a$ /* ; /* ; */ ; */ -- ;\n; SELECT 2`,
      [`SELECT ';', E'\\';', ";", $$;$$, $a$;$$;$a$ /* ; /* ; */ ; */ -- ;`, 'SELECT 2'],
    ],
    ['without those of comments alone', '-- a;b\n; /* c */ ; SELECT 1; -- the end', ['SELECT 1']],
    [
      'not within brackets',
      'CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3',
      ['CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)', 'SELECT 3'],
    ],
    [
      'not in the body of a function',
      'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3',
      ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END', 'SELECT 3'],
    ],
    ['texts that go on after a line break', "SELECT E'a'\n'b\\';' ; SELECT 2", ["SELECT E'a'\n'b\\';'", 'SELECT 2']],
    ['texts that go on after a comment', "SELECT E'a' -- c\n'b\\';' ; SELECT 2", ["SELECT E'a' -- c\n'b\\';'", 'SELECT 2']],
    ['but not after an operator', "SELECT E'a' -\n'b\\' ; SELECT 2", ["SELECT E'a' -\n'b\\'", 'SELECT 2']],
    ['a whole command of a template', '{{ sql }}', ['SELECT 1', 'SELECT 2']],
    ['one among others', 'SELECT 0; {{ sql }};', ['SELECT 0', 'SELECT 1', 'SELECT 2']],
    ['parameters are no dollar quotes', 'SELECT $1, $2; SELECT 2', ['SELECT $1, $2', 'SELECT 2']],
  ])('%s', (_name, text, expected) => expect(texts(text)).toEqual(expected));

  it('say how they begin', () => {
    const scope = { lookup: () => undefined };
    const [only] = compileSql('/* x */ create unique index concurrently i on t (a)', 'postgres', '').render(scope, rendering(), {
      unsafe: 'allow',
      binds: null,
    });
    expect(only?.words).toEqual(['CREATE', 'UNIQUE', 'INDEX', 'CONCURRENTLY']);
  });
});

describe('work that grows with the text alone', () => {
  it('loops inside of loops are not walked twice as often with each', () => {
    const nested = (depth: number): string => `SELECT 1${'{% for r in rows %}'.repeat(depth)}, {{ n }}${'{% endfor %}'.repeat(depth)}`;
    let reads = 0;
    const text: Statement = { kind: 'data', get text() { reads += 1; return ', 1'; } }; // prettier-ignore
    const loop = (body: Block): Block => [
      { kind: 'for', targets: ['r'], iterable: { kind: 'name', name: 'rows' }, filter: null, body, otherwise: [] },
    ];
    checkPlaces([{ kind: 'data', text: 'SELECT 1' }, ...Array.from({ length: 12 }).reduce<Block>(loop, [text])], 'postgres');
    expect(reads).toBeLessThan(50);
    expect(texts(nested(3))).toEqual([`SELECT 1${',  5 '.repeat(8)}`.trim()]);
    expect(refusal(nested(21))).toEqual({ code: 'sql_context', message: expect.stringContaining('{% for %}') as string });
  });

  it('what follows a value is looked at where it is', () => {
    const parts = Object.assign(
      ['SELECT ', { slot: 'value', value: 1 }, ', ', { slot: 'value', value: 2 }],
      { slice: () => { throw new Error('a copy for each value'); } },
    ); // prettier-ignore
    const [statement] = arrangeStatements(parts, { dialect: 'postgres', unsafe: 'refuse', binds: null });
    expect(statement?.parts).toHaveLength(4);
  });
});

describe('refused when it is registered', () => {
  it.each([
    ['an open quote', "SELECT 'a", /not closed/],
    ['an open dollar quote', 'SELECT $a$ {{ n }}', /not closed/],
    ['a value that begins a statement', '{{ n }} SELECT', /begins/],
    ['quotes that only one branch closes', "SELECT 'a{% if n %}'{% endif %}", /\{% if %\}/],
    ['quotes that a block opens in what follows', "SELECT {% with a = 1 %}'{% endwith %}", /not closed/],
    ['quotes that an iteration leaves open', "SELECT {% for r in rows %}'{% endfor %}", /\{% for %\}/],
    ['a name or a value', 'SELECT 1 {% if n %}FROM{% else %}WHERE a ={% endif %} {{ x }}', /depending/],
    ["in U&'…'", "SELECT U&'{{ x }}'", /U&/],
    ["in B'…'", "SELECT B'{{ x }}'", /bit string/],
    ['after a backslash', "SELECT E'\\{{ x }}'", /backslash/],
    ['after a number', 'SELECT 1{{ n }}', /number/],
    ['in the body of a function', "DO $$ BEGIN PERFORM '{{ x }}'; END $$", /body/],
    ['in the quoted body of a function', "CREATE OR REPLACE FUNCTION f() RETURNS int AS 'SELECT {{ n }}' LANGUAGE sql", /body/],
  ])('%s', (_name, text, message) =>
    expect(refusal(text)).toEqual({ code: 'sql_context', message: expect.stringMatching(message) as string }),
  );

  it('a template that cannot be parsed', () => expect(refusal('SELECT {{ x').code).toBe('template_syntax'));
});

describe('refused when it is rendered', () => {
  it.each<[string, string, string, Options]>([
    ['NUL', 'SELECT {{ nul }}', 'invalid_unicode', {}],
    ['half of a character', "SELECT '{{ half }}'", 'invalid_unicode', {}],
    ['raw text that leaves a quote open', '{{ open }}', 'sql_context', {}],
    ['raw text that closes the quote around it', "SELECT '{{ \"'\" | sql_raw }}'", 'sql_context', {}],
    ['a whole command, where only | sql_raw is allowed', '{{ sql }}', 'unsafe_sql', { unsafe: 'explicit' }],
    ['raw text, where nothing is allowed', 'SELECT {{ "1" | sql_raw }}', 'unsafe_sql', { unsafe: 'refuse' }],
    ['an empty name', 'SELECT * FROM {{ no }}', 'sql_context', {}],
    ['too few parameters', 'SELECT %s, %s', 'invalid_parameters', { parameters: [1] }],
    ['parameters that are a text', 'SELECT 1', 'invalid_parameters', { parameters: 'x' }],
  ])('%s', (_name, text, code, options) => expect(refusal(text, options).code).toBe(code));
});

describe('placeholders', () => {
  it.each<[string, string, Json, string, unknown[]]>([
    ['%s', "SELECT %s, '%s', 5 %% 3", ['a'], "SELECT  $1 , '%s', 5 % 3", ['a']],
    ['$n, numbered anew', 'SELECT $2, $1, $2', ['a', 1], 'SELECT  $1 ,  $2 ,  $3', ['1', 'a', '1']],
    [':name', "SELECT :a::int, ':a', x[1:n], :b", { a: 1, b: { c: [true] } }, "SELECT  $1 ::int, ':a', x[1:n],  $2", ['1', '{"c":[true]}']],
    ['%(name)s', 'SELECT %(a)s', { a: null }, 'SELECT  $1', [null]],
    ['an array', 'SELECT 1 = ANY(%s), %s::int[]', [[1, 2], [3]], 'SELECT 1 = ANY( $1 ),  $2 ::int[]', ['{1,2}', '{3}']],
    ['beside templates', 'SELECT {{ x }}, %s', ['b'], `SELECT  'a''; DROP TABLE t; --' ,  $1`, ['b']],
  ])('%s', (_name, text, parameters, expected, values) => {
    const [only] = sent(text, { parameters });
    expect([only?.text.trim(), only?.values]).toEqual([expected, values]);
  });
  it('%s goes on over statements', () => {
    expect(sent('SELECT %s; SELECT %s', { parameters: [1, 2] }).map(({ values }) => values)).toEqual([['1'], ['2']]);
  });
});
