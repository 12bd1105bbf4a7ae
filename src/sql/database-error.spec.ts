import pg from 'pg';
import { databaseErrorOf } from './database-error.js';

describe(databaseErrorOf.name, () => {
  it.each([
    ['what the author wrote', 'column "nmae" does not exist', 'SELECT nmae FROM t', {}, 'column "nmae" does not exist'],
    [
      'names of objects',
      'duplicate key value violates unique constraint "t_pkey"',
      'INSERT',
      { constraint: 't_pkey' },
      'duplicate key value violates unique constraint "t_pkey"',
    ],
    ['but no value', 'invalid input syntax for type integer: "hunter2"', 'SELECT', {}, 'invalid input syntax for type integer: "…"'],
    ['that has quotes', 'malformed array literal: "{"hunter2","x"y"', 'SELECT', {}, 'malformed array literal: "…"'],
    ['that is cut', 'syntax error at or near "\'hunter2', 'SELECT', {}, 'syntax error at or near "…"'],
    ['among others', 'value "hunter2" of column "n" is wrong', 'SELECT n', {}, 'value "…" is wrong'],
  ])('tells %s', (_name, message, text, fields, expected) => {
    const error = Object.assign(new pg.DatabaseError(message, 0, 'error'), { code: '22P02', ...fields });
    expect(databaseErrorOf(error, text)).toMatchObject({ message: expected, sqlState: '22P02', about: fields });
  });
});
