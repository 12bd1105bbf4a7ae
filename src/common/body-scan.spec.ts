import fc from 'fast-check';
import { Environment } from '../config/environment.js';
import { readRequestLimits } from '../config/request-limits.js';
import { scanBody } from './body-scan.js';
import { parseBody } from './json-body.js';

const LIMITS = readRequestLimits(new Environment({}));
const codeOf = (text: string): string => {
  try {
    scanBody(text, LIMITS);
    return 'accepted';
  } catch (error) {
    return (error as { code: string }).code;
  }
};
const list = (length: number): string => `[${Array.from({ length }, () => 1).join(',')}]`;
const lists = (nodes: number): string => `[${Array.from({ length: (nodes - 1) / 1000 }, () => list(999)).join(',')}]`;
const object = (length: number): string => `{${Array.from({ length }, (_none, at) => `"k${at}":1`).join(',')}}`;
const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe(scanBody.name, () => {
  it.each([
    ['depth at the limit', nest(LIMITS.jsonDepth), 'accepted'],
    ['depth above it', nest(LIMITS.jsonDepth + 1), 'depth_exceeded'],
    ['objects count as depth', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, 'depth_exceeded'],
    ['brackets in strings do not', JSON.stringify('['.repeat(100)), 'accepted'],
    ['items at the limit', list(50_000), 'accepted'],
    ['items above it', list(50_001), 'too_many_nodes'],
    ['keys at the limit', object(10_000), 'accepted'],
    ['keys above it', object(10_001), 'too_many_nodes'],
    ['values at the limit', lists(99_001).replace(/]$/, `,${list(998)}]`), 'accepted'],
    ['values above it', lists(99_001).replace(/]$/, `,${list(999)}]`), 'too_many_nodes'],
    ['NUL as an escape', '{"a":"x\\u0000"}', 'invalid_unicode'],
    ['NUL in a key', '{"\\u0000":1}', 'invalid_unicode'],
    ['an escaped backslash before u0000', '{"a":"\\\\u0000"}', 'accepted'],
    ['a lone high surrogate', '"\\ud800"', 'invalid_unicode'],
    ['a lone low surrogate', '"\\udc00x"', 'invalid_unicode'],
    ['high after high', '"\\ud800\\ud800\\udc00"', 'invalid_unicode'],
    ['a pair', '"\\ud83d\\ude00"', 'accepted'],
    ['__proto__', '{"__proto__":1}', 'forbidden_key'],
    ['__proto__ deep inside', '{"a":[{"b":1,"__proto__":{}}]}', 'forbidden_key'],
    ['__proto__ with escapes', '{"\\u005f_prot\\u006F__":1}', 'forbidden_key'],
    ['__proto__ as a value', '{"a":"__proto__"}', 'accepted'],
    ['the largest safe integer', '9007199254740991', 'accepted'],
    ['one above it', '{"a":9007199254740992}', 'unsafe_number'],
    ['a negative one', '-9007199254740993', 'unsafe_number'],
    ['a large exponent', '[1e400]', 'unsafe_number'],
    ['a fraction with many digits', '0.12345678901234567890', 'accepted'],
    ['a big integer as text', '"12345678901234567890"', 'accepted'],
  ])('%s', (_name, text, expected) => expect(codeOf(text)).toBe(expected));

  it('accepts every JSON that has nothing forbidden in it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/\\u0000|\\ud[89a-f]|__proto__|\d{16}|e\+/i.test(text));
        expect(parseBody(Buffer.from(text), LIMITS)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('never hangs or throws anything but a refusal, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', 'u', 'd', '8', '0', ',', ':', '-', 'e', ' ', 'é') }),
        (text) => {
          expect(codeOf(text)).toMatch(/^[a-z_]+$/);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe(parseBody.name, () => {
  it.each([
    ['a byte order mark', Buffer.from('\ufeff{}')],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
    ['no JSON', Buffer.from('{"a":}')],
    ['two values', Buffer.from('{}{}')],
    ['white space', Buffer.from('  ')],
  ])('refuses %s', (_name, body) => expect(() => parseBody(body, LIMITS)).toThrow(expect.objectContaining({ code: 'malformed_json' })));

  it('keeps text beyond ASCII', () => expect(parseBody(Buffer.from('{"ü":"😀"}'), LIMITS)).toEqual({ ü: '😀' }));
});
