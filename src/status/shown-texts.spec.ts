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
