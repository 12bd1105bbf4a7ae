import { type Json } from '../values.js';
import { Rendering } from './rendering.js';
import { StepReference } from './step-reference.js';
import { compileTemplate } from './template.js';

const done = { status: 'success', error: null, meta: { logs: 'hi' } } as const;
const envelope = { status: 'success', data: { test_passed: true, message: 'ok' } };
const http = { status_code: 200, url: 'u', data: { current: { x: 1 } } };
const sql = { command_0: { status: 'success', rows: [{ records: 3 }], row_count: 1 } };

const rowsOf = (value: Json): Json | undefined => (value === sql ? sql.command_0.rows : undefined);

describe(StepReference.name, () => {
  it.each<[string, string, Json, Json]>([
    ['alone: the value', 's', { a: 1 }, { a: 1 }],
    ['own key', 's.age', { age: 3 }, 3],
    ['result.data of a plain value', 's.result.data.message', { message: 'm' }, 'm'],
    ['data of a plain value', 's.data.age', { age: 3 }, 3],
    ['value of a plain value', 's.value.age', { age: 3 }, 3],
    ['result of a scalar', 's.result', 5, 5],
    ['result.data of an envelope', 's.result.data.message', envelope, 'ok'],
    ['inner envelope', 's.test_passed', envelope, true],
    ['own status wins', 's.status', { status: 'mine' }, 'mine'],
    ['status', 's.status', 7, 'success'],
    ['error', 's.error', {}, null],
    ['meta', 's.meta.logs', {}, 'hi'],
    ['http body', 's.data.current.x', http, 1],
    ['data twice', 's.result.data.data.current.x', http, 1],
    ['data thrice and result', 's.data.data.result.data.current.x', http, 1],
    ['a list stops the chain', 's.result.data', { data: [1] }, [1]],
    ['nothing behind a list', 's.result.data.data', { data: [1] }, null],
    ['alias', 's.body.current.x', http, 1],
    ['statement row', 's.command_0[0].records', sql, 3],
    ['statement rows', 's.command_0.rows[0].records', sql, 3],
    ['last row', 's.command_0[-1].records', sql, 3],
    ['row of the last statement with rows', '[s[0].records, s.data[-1].records, s.result[5]]', sql, [3, 3, null]],
    ['no row', 's.data[0]', { a: 1 }, null],
    ['character of a text', '[s[0], s.data[-1], s[9], s[0:2]]', 'text', ['t', 't', null, 'te']],
    ['unknown', 's.nope.deeper', { a: 1 }, null],
    ['prototype', 's.constructor', { constructor: 1 }, null],
    ['get method', 's.get("data").get("age", 1)', { age: 3 }, 3],
    ['filter', 's | length', [1, 2], 2],
    ['comparison', 's == {"a": 1} and s.data == s', { a: 1 }, true],
    ['in text', '"v=" ~ s', [1], 'v=[1]'],
    ['nested', '[s]', { a: 1 }, [{ a: 1 }]],
    ['results', 's.results | length == s.count and s.size == 2', [1, 2], true],
    ['items', 's.items[1]', [1, 2], 2],
    ['errors', 's.errors[0].index', [1, 2], 1],
    ['position', 's.result_index', [1, 2], 4],
  ])('%s: %s', (_name, expression, value, expected) => {
    const iterator = Array.isArray(value) ? { results: value, errors: [{ index: 1, message: 'm' }], resultIndex: 4 } : undefined;
    const reference = new StepReference(value, { ...done, aliases: { body: 'data', rows: rowsOf }, ...(iterator && { iterator }) });
    const scope = { lookup: (name: string) => (name === 's' ? reference : undefined) };
    const rendering = new Rendering({ now: '', random: () => 0, nextId: () => '' });
    expect(compileTemplate(`{{ ${expression} }}`).render(scope, rendering)).toEqual(expected);
  });
});
