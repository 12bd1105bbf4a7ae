import { jsonList, mixedJsonList } from './array-parameters.js';

describe(mixedJsonList.name, () => {
  it('is the same list where all are texts', () => {
    const texts = ['{"a":1}', null, '[]'];
    expect(mixedJsonList(texts)).toBe(jsonList(texts));
  });

  it.each([
    ['between texts', ['{"ü":1}', Buffer.from('"ä"'), null, '[]']],
    ['first', [Buffer.from('"ä"'), '[]']],
    ['after nothing', [null, Buffer.from('"ä"')]],
  ])('is the UTF-8 of that list where some are bytes: %s', (_name, texts) => {
    const list = jsonList(texts.map((text) => text && String(text)));
    expect(String(mixedJsonList(texts))).toBe(list);
  });

  it('copies no bytes that are alone', () => {
    const bytes = new TextEncoder().encode('"x"');
    const list = mixedJsonList([bytes]);
    expect(list).toBeInstanceOf(Buffer);
    expect((list as Buffer).buffer).toBe(bytes.buffer);
  });
});
