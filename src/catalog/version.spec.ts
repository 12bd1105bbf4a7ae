import fc from 'fast-check';
import semver from 'semver';
import { checkTagName, compareVersions, nextVersion, normaliseVersion, parseAskedVersion, versionColumns } from './version.js';

describe(normaliseVersion.name, () => {
  it.each([
    ['v1.2.0', '1.2.0'],
    ['1', '1.0.0'],
    ['0.1', '0.1.0'],
    [' 1.2.3 ', '1.2.3'],
    ['=1.2.3', '1.2.3'],
    ['2025.01', '2025.1.0'],
    ['1.2.0-rc.1', '1.2.0-rc.1'],
    ['2-beta', '2.0.0-beta'],
    ['1.2.0+build.7', '1.2.0'],
    ['9007199254740991.0.0', '9007199254740991.0.0'],
  ])('%s', (text, expected) => expect(normaliseVersion(text)).toBe(expected));

  it.each([
    '',
    'latest',
    'one',
    '1.2.3.4',
    '1..2',
    '^1.2',
    '1.x',
    '-1',
    '1.2.3-',
    '1.2.3-01',
    '9007199254740992.0.0',
    'version 1.2',
    `1.${'0'.repeat(300)}`,
  ])('refuses %p', (text) =>
    expect(() => normaliseVersion(text)).toThrow(expect.objectContaining({ code: 'invalid_version', kind: 'invalid' })),
  );

  it('leaves every semantic version without build data as it is', () => {
    const part = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const pre = fc.constantFrom('', '-a', '-0', '-rc.1', '-alpha-2.x');
    fc.assert(
      fc.property(part, part, part, pre, (a, b, c, suffix) =>
        expect(normaliseVersion(`${a}.${b}.${c}${suffix}`)).toBe(`${a}.${b}.${c}${suffix}`),
      ),
    );
  });

  it('gives whatever text either a canonical version or a refusal', () => {
    const characters = fc.constantFrom(...'0123456789.v-+ xrc^*');
    fc.assert(
      fc.property(fc.string({ unit: characters, maxLength: 12 }), (text) => {
        let version: string | null = null;
        try {
          version = normaliseVersion(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_version' });
        }
        if (version !== null) expect(semver.valid(version)).toBe(version);
      }),
    );
  });
});

describe(nextVersion.name, () => {
  it.each([
    [[], '1.0.0'],
    [['1.0.0'], '1.0.1'],
    [['2.3.4', '10.0.9', '9.9.9'], '10.0.10'],
    [['1.0.0', '2.0.0-rc.1'], '2.0.0'],
  ])('%j', (versions, expected) => expect(nextVersion(versions)).toBe(expected));

  it('refuses where the numbers end', () => {
    expect(() => nextVersion([`1.0.${Number.MAX_SAFE_INTEGER}`])).toThrow(expect.objectContaining({ code: 'invalid_version' }));
  });
});

describe(parseAskedVersion.name, () => {
  it.each([
    [null, { kind: 'latest' }],
    ['', { kind: 'latest' }],
    ['latest', { kind: 'latest' }],
    ['v1.2.0', { kind: 'exact', version: '1.2.0' }],
    [' 1.2.0 ', { kind: 'exact', version: '1.2.0' }],
    ['3', { kind: 'digits', revision: 3 }],
    ['03', { kind: 'digits', revision: 3 }],
    ['1.2', { kind: 'range' }],
    ['v1', { kind: 'range' }],
    ['^1.2', { kind: 'range' }],
    ['>=1 <3', { kind: 'range' }],
    ['x', { kind: 'range' }],
    ['prod', { kind: 'tag', tag: 'prod' }],
    ['release-2025.10', { kind: 'tag', tag: 'release-2025.10' }],
  ])('%p', (text, expected) => expect(parseAskedVersion(text)).toMatchObject(expected));

  it.each(['ünïcode', 'a b', '1.2.3.4', '-', 'a/b', 'x'.repeat(300), '1.2.3-01'])('refuses %p', (text) =>
    expect(() => parseAskedVersion(text)).toThrow(expect.objectContaining({ code: 'invalid_version' })),
  );
});

describe(checkTagName.name, () => {
  it.each(['prod', 'canary_2', 'Release-1.2'])('takes %s', (tag) => expect(checkTagName(tag)).toBe(tag));
  it.each(['latest', 'x', 'v1', 'v1.2.3', '1', '', '-a', 'a b', 'a'.repeat(65)])('refuses %p', (tag) =>
    expect(() => checkTagName(tag)).toThrow(expect.objectContaining({ code: 'invalid_value' })),
  );
});

describe(versionColumns.name, () => {
  it('sorts as semantic versions do', () => {
    const identifier = fc.oneof(fc.constantFrom('rc', 'rc-1', 'alpha', 'x', '-', 'A', 'Rc'), fc.integer({ min: 0, max: 2000 }).map(String));
    const version = fc.array(identifier, { maxLength: 3 }).map((parts) => (parts.length > 0 ? `1.0.0-${parts.join('.')}` : '1.0.0'));
    const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    fc.assert(
      fc.property(version, version, (a, b) =>
        expect(order(versionColumns(a).prereleaseKey, versionColumns(b).prereleaseKey)).toBe(compareVersions(a, b)),
      ),
      { numRuns: 500 },
    );
  });

  it('keeps the numbers apart', () => {
    expect(versionColumns('1.20.3-rc.1')).toMatchObject({ text: '1.20.3-rc.1', major: 1, minor: 20, patch: 3 });
  });
});
