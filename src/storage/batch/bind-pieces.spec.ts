import { serialize } from 'pg-protocol';
import { bindPieces } from './bind-pieces.js';

const MIB = 1024 * 1024;

it.each([
  ['texts alone', ['a', 'grün', '']],
  ['bytes between texts', ['a', Buffer.from('bytes'), 'b']],
  ['nothing', [null, Buffer.from('x'), null]],
  ['a large value twice', [Buffer.alloc(MIB, 'x'), '{1}', Buffer.alloc(MIB, 'x')]],
  ['no values', []],
])('says what the driver says: %s', (_name, values) => {
  const driver = serialize.bind({ portal: '', statement: 'batch', values });
  expect(Buffer.concat(bindPieces({ statement: 'batch', values })).equals(driver)).toBe(true);
});

it('takes bytes as they are, and copies none', () => {
  const bytes = Buffer.alloc(MIB);
  expect(bindPieces({ values: [bytes] })).toContain(bytes);
});

it('refuses what is neither text nor bytes', () => expect(() => bindPieces({ values: [7] })).toThrow('only texts and bytes'));
