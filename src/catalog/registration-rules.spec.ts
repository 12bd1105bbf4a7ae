import { type CatalogEntry } from '../storage/catalog-entry.js';
import { decideRegistration, namedVersion } from './registration-rules.js';

const entry = (version: string, digest: string): CatalogEntry => ({ path: 'a/b', version, digest }) as CatalogEntry;
const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error;

describe(namedVersion.name, () => {
  it.each([
    [null, null, null],
    ['v1.2', null, '1.2.0'],
    [null, '1', '1.0.0'],
    ['1', 'v1.0.0', '1.0.0'],
  ])('%p and %p: %p', (document, request, expected) => expect(namedVersion(document, request)).toBe(expected));

  it('refuses two that differ, and nonsense', () => {
    expect(() => namedVersion('1.0.0', '1.0.1')).toThrow(code('version_conflict'));
    expect(() => namedVersion('latest', null)).toThrow(code('invalid_version'));
  });
});

describe(decideRegistration.name, () => {
  const versions = [entry('1.0.1', 'b'), entry('2.0.0', 'a'), entry('1.0.0', 'a')];
  it.each<[string, string, string | null, unknown]>([
    ['same text, no version: the newest entry with it', 'a', null, { existing: versions[1] }],
    ['same text, its version', 'a', '1.0.0', { existing: versions[2] }],
    ['same text, another version', 'a', '3.0.0', { version: '3.0.0' }],
    ['new text, no version: the patch after the highest', 'c', null, { version: '2.0.1' }],
    ['new text, a lower version', 'c', '0.5.0', { version: '0.5.0' }],
  ])('%s', (_name, digest, named, expected) => expect(decideRegistration(versions, digest, named)).toEqual(expected));

  it('starts at 1.0.0', () => expect(decideRegistration([], 'a', null)).toEqual({ version: '1.0.0' }));
  it('never gives a version another text', () => expect(() => decideRegistration(versions, 'c', '1.0.1')).toThrow(code('version_exists')));
  it('says then how the text gets in', () =>
    expect(() => decideRegistration(versions, 'c', '1.0.1')).toThrow('versions never change. Register this text as another version.'));
});
