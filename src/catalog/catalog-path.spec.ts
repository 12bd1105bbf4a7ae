import { normalisePath, parentOf, parseReference } from './catalog-path.js';

describe(normalisePath.name, () => {
  it.each([
    ['billing/close_month', 'billing/close_month'],
    ['/billing/close_month.yaml', 'billing/close_month'],
    ['a.yml', 'a'],
    ['a.yaml/b', 'a.yaml/b'],
    ['_a/b-c.d', '_a/b-c.d'],
    [Array(32).fill('s').join('/'), Array(32).fill('s').join('/')],
    ['p'.repeat(512), 'p'.repeat(512)],
  ])('%s', (text, expected) => expect(normalisePath(text)).toBe(expected));

  it.each([
    '',
    '/',
    '//a',
    'a//b',
    'a/',
    '../a',
    'a/../b',
    '.hidden',
    '-a',
    'a b',
    'ä',
    'a%2Fb',
    'a\\b',
    '.yaml',
    Array(33).fill('s').join('/'),
    'p'.repeat(513),
  ])('refuses %p', (text) => expect(() => normalisePath(text)).toThrow(expect.objectContaining({ code: 'invalid_path', kind: 'invalid' })));
});

describe(parseReference.name, () => {
  it.each([
    ['billing/close_month', { id: null, path: 'billing/close_month', version: null }],
    ['billing/close_month@v1.2.0', { id: null, path: 'billing/close_month', version: 'v1.2.0' }],
    ['/billing/close_month.yaml:^1.2', { id: null, path: 'billing/close_month', version: '^1.2' }],
    ['a@', { id: null, path: 'a', version: '' }],
    ['123456', { id: '123456', path: '123456', version: null }],
    ['123456@1', { id: null, path: '123456', version: '1' }],
    ['9223372036854775808', { id: null, path: '9223372036854775808', version: null }],
  ])('%s', (text, expected) => expect(parseReference(text)).toEqual(expected));

  it.each(['', '@1.0.0', ':latest', 'a b@1'])('refuses %p', (text) =>
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'invalid_path' })),
  );
});

describe(parentOf.name, () => {
  it.each([
    ['a/b/c', { parent: 'a/b', name: 'c' }],
    ['a', null],
  ])('%s', (path, expected) => expect(parentOf(path)).toEqual(expected));
});
