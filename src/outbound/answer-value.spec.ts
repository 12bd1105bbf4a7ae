import { answerValue } from './answer-value.js';

const valueOf = (body: string | Uint8Array, type?: string) =>
  answerValue({
    status: 200,
    url: 'http://a.example/',
    headers: type === undefined ? {} : { 'content-type': type },
    body: Buffer.from(body as string),
    elapsedMs: 1500,
  });
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe(answerValue.name, () => {
  it('has the five fields of the language, elapsed in seconds', () => {
    expect(valueOf('{"a":1}', 'application/json')).toEqual({
      status_code: 200,
      url: 'http://a.example/',
      headers: { 'content-type': 'application/json' },
      elapsed: 1.5,
      data: { a: 1 },
    });
  });

  it.each([
    ['JSON', '[1]', 'application/json; charset=utf-8', [1]],
    ['JSON with a byte order mark', '\ufeff[1]', 'application/json', [1]],
    ['a suffix +json', '{"a":null}', 'Application/Problem+JSON', { a: null }],
    ['text/json', '"x"', 'text/json', 'x'],
    ['an empty JSON body', '', 'application/json', null],
    ['an empty body', '', undefined, ''],
    ['JSON that is called text', '{"a":1}', 'text/plain', '{"a":1}'],
    ['JSON without a type', '{"a":1}', undefined, '{"a":1}'],
    ['broken JSON', '{"a":', 'application/json', '{"a":'],
    ['JSON of 64 levels', nested(64), 'application/json', JSON.parse(nested(64))],
    ['JSON of 65 levels', nested(65), 'application/json', nested(65)],
    ['JSON of a million levels', nested(1_000_000), 'application/json', nested(1_000_000)],
    ['brackets in strings', JSON.stringify(['['.repeat(100), '\\"[']), 'application/json', ['['.repeat(100), '\\"[']],
    ['65 levels after a string that ends in a backslash', `["\\\\",${nested(64)}]`, 'application/json', `["\\\\",${nested(64)}]`],
    ['brackets after a quote in a string', `["\\"${'['.repeat(65)}"]`, 'application/json', [`"${'['.repeat(65)}`]],
    ['a key __proto__', '{"a":{"__proto__":{}}}', 'application/json', '{"a":{"__proto__":{}}}'],
    ['an escaped key __proto__', '{"\\u005f_proto__":1}', 'application/json', '{"\\u005f_proto__":1}'],
    ['__proto__ as a value', '["__proto__"]', 'application/json', ['__proto__']],
    ['latin-1', Buffer.from('Grüße', 'latin1'), 'text/plain; charset="ISO-8859-1"', 'Grüße'],
    ['a charset nobody knows', 'Grüße', 'text/plain; charset=klingon', 'Grüße'],
  ])('reads %s', (_name, body, type, data) => {
    expect(valueOf(body, type).data).toEqual(data);
    expect(valueOf(body, type)).not.toHaveProperty('encoding');
  });

  it.each([
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ['text with NUL', Buffer.from('a\0b')],
  ])('gives %s as base64 and says so', (_name, body) =>
    expect(valueOf(body, 'application/octet-stream')).toMatchObject({ data: body.toString('base64'), encoding: 'base64' }),
  );
});
