import { type EngineError } from '../engine/engine-error.js';
import { shownText } from './shown.js';
import { ShownTexts } from './shown-texts.js';

const texts = new ShownTexts();
const long = 'ü'.repeat(300_000);

it.each([
  ['small', JSON.stringify({ password: 'p', other: 1 })],
  ['large, with something to hide', JSON.stringify({ password: 'p', text: long, nested: [{ api_key: 'k' }] })],
  ['large, with little else', JSON.stringify({ password: [long], other: 1 })],
  ['large, with nothing to hide', JSON.stringify({ text: long })],
])('shows what reading here shows: %s', async (_name, text) => {
  expect(String(await texts.shown(text))).toBe(shownText(text));
});

it('gives large ones as bytes, which are sent as they are', async () => {
  expect(await texts.shown(JSON.stringify(long))).toBeInstanceOf(Buffer);
  expect(await texts.shown('"short"')).toBe('"short"');
});

it('lets so many bytes wait for the thread and no more', async () => {
  const text = JSON.stringify('x'.repeat(16 * 1_048_576));
  const codes = await Promise.all(
    Array.from({ length: 10 }, () =>
      texts.shown(text).then(
        (shown) => shown.length,
        ({ code }: EngineError) => code,
      ),
    ),
  );
  expect(codes).toEqual([...Array.from({ length: 7 }, () => text.length), 'overloaded', 'overloaded', 'overloaded']);
  expect(await texts.shown(text)).toHaveLength(text.length);
});
