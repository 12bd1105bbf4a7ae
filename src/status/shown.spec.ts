import { type Json } from '../engine/values.js';
import { shown } from './shown.js';

describe(shown.name, () => {
  it.each<[string, Json, Json]>([
    ['password', 'x', '[REDACTED]'],
    ['db_password', 'x', '[REDACTED]'],
    ['dbPassword', 'x', '[REDACTED]'],
    ['API-Key', 'x', '[REDACTED]'],
    ['apikey', 'x', '[REDACTED]'],
    ['access_key', 'x', '[REDACTED]'],
    ['key_id', 'x', '[REDACTED]'],
    ['Authorization', 'Bearer x', '[REDACTED]'],
    ['set-cookie', ['a=b'], '[REDACTED]'],
    ['credentials', { user: 'a', pass: 'b' }, '[REDACTED]'],
    ['token', 12345, '[REDACTED]'],
    ['dsn', 'postgres://u:p@h:5432/d', 'postgres://u:[REDACTED]@h:5432/d'],
    ['connection_string', 'postgres://h/d', 'postgres://h/d'],
    ['dsn', 'Server=h;Password=p', '[REDACTED]'],
    ['max_tokens', 5, 5],
    ['token_count', 5, 5],
    ['secret_length', 5, 5],
    ['tokenizer', 'x', 'x'],
    ['password', '', ''],
    ['password', null, null],
    ['has_password', true, true],
  ])('%s: %j', (key, value, seen) => expect(shown({ a: [{ [key]: value }] })).toEqual({ a: [{ [key]: seen }] }));

  it('hides the places of secrets, and shares what has nothing to hide', () => {
    const open = { a: ['x', { b: 1 }] };
    expect(shown(open)).toBe(open);
    expect(shown(`a __secret_${'0f'.repeat(16)}_12__ b __sealed_${'ab'.repeat(40)}__`)).toBe('a [REDACTED] b [REDACTED]');
  });
});
