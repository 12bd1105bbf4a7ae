import { type Json } from '../engine/values.js';
import { readColumn } from './pg-values.js';

describe(readColumn.name, () => {
  it.each<[string, string | null, number, Json]>([
    ['null', null, 23, null],
    ['int8, safe', '9007199254740991', 20, 9_007_199_254_740_991],
    ['int8, beyond', '9007199254740992', 20, '9007199254740992'],
    ['numeric', '1.50', 1700, 1.5],
    ['numeric of 15 digits', '0.123456789012345', 1700, 0.123456789012345],
    ['numeric of 16 digits', '0.1234567890123456', 1700, '0.1234567890123456'],
    ['a large whole numeric', '100000000000000000000', 1700, '100000000000000000000'],
    ['numeric zero', '0.000', 1700, 0],
    ['numeric NaN', 'NaN', 1700, 'NaN'],
    ['float8', '1e+300', 701, 1e300],
    ['float8 infinity', '-Infinity', 701, '-Infinity'],
    ['timestamp', '2026-01-02 03:04:05.123456', 1114, '2026-01-02T03:04:05.123456'],
    ['timestamptz in UTC', '2026-01-02 03:04:05+00', 1184, '2026-01-02T03:04:05Z'],
    ['timestamptz', '2026-01-02 03:04:05-05:30', 1184, '2026-01-02T03:04:05-05:30'],
    ['timestamptz infinity', 'infinity', 1184, 'infinity'],
    ['a year before Christ', '0044-03-15 00:00:00+00 BC', 1184, '0044-03-15 00:00:00+00 BC'],
    ['bytea', '\\x00ff', 17, 'AP8='],
    ['json', '{"a":[1,2.5,null]}', 114, { a: [1, 2.5, null] }],
    ['json with a large number', '{"a":12345678901234567890}', 3802, { a: '12345678901234567890' }],
    ['json with a long text of digits', '{"a":"12345678901234567890"}', 3802, { a: '12345678901234567890' }],
    ['an array', '{1,NULL,3}', 1007, [1, null, 3]],
    ['an empty array', '{}', 1009, []],
    ['an array of arrays', '{{1,2},{3,4}}', 1007, [[1, 2], [3, 4]]],
    ['an array with bounds', '[0:1]={1,2}', 1007, [1, 2]],
    ['texts', '{a,"b c","d\\"e\\\\","NULL",NULL,""}', 1009, ['a', 'b c', 'd"e\\', 'NULL', null, '']],
    ['an array of jsonb', '{"{\\"a\\": 1}"}', 3807, [{ a: 1 }]],
    ['what it does not know', '(1,2)', 600, '(1,2)'],
  ])('%s', (_name, text, type, expected) => expect(readColumn(text, type)).toEqual(expected)); // prettier-ignore
});
