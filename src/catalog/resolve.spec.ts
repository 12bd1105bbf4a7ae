import fc from 'fast-check';
import semver from 'semver';
import { type CatalogEntry, type EntryStatus } from '../storage/catalog-entry.js';
import { chooseVersion, resolveVersion } from './resolve.js';
import { parseAskedVersion, type AskedVersion } from './version.js';

function entry(version: string, revision: number, status: EntryStatus = 'active'): CatalogEntry {
  return {
    id: String(1000 + revision),
    tenantId: 'default',
    path: 'billing/close_month',
    name: 'close_month',
    kind: 'Playbook',
    version,
    revision,
    digest: `digest-${revision}`,
    status,
    statusReason: null,
    registeredAt: 0,
    registeredBy: 'anonymous',
  };
}

const NEWEST: AskedVersion = { kind: 'newest' };
const catalog = [
  entry('1.0.0', 1),
  entry('2.0.0', 2),
  entry('1.3.0', 3),
  entry('2.1.0-rc.1', 4),
  entry('3.0.0', 5, 'deprecated'),
  entry('4.0.0', 6, 'yanked'),
  entry('5.0.0', 7, 'held'),
];

describe(chooseVersion.name, () => {
  it.each([
    ['latest', '2.0.0'],
    ['1.3.0', '1.3.0'],
    ['v1.3.0', '1.3.0'],
    ['^1.0', '1.3.0'],
    ['1.x', '1.3.0'],
    ['~1.0.0', '1.0.0'],
    ['>=1 <3', '2.0.0'],
    ['*', '2.0.0'],
    ['>=2.1.0-rc.0', '2.1.0-rc.1'],
    ['^3', '3.0.0'],
    ['3', '1.3.0'],
    ['4.0.0', '4.0.0'],
    ['6', '4.0.0'],
    ['^4', null],
    ['7', null],
    ['5.0.0', null],
    ['prod', null],
  ])('%s', (asked, expected) => expect(chooseVersion(parseAskedVersion(asked), catalog)?.version ?? null).toBe(expected));

  it('takes digits as a range where there is no such revision', () => {
    expect(chooseVersion(parseAskedVersion('9'), [entry('9.1.0', 1), entry('9.2.0', 2)])?.version).toBe('9.2.0');
  });

  it.each<[string, readonly CatalogEntry[], string | null]>([
    ['the last registered, not the highest', [entry('2.0.0', 1), entry('1.0.1', 2)], '1.0.1'],
    ['a pre-release registered last', [entry('2.0.0', 1), entry('2.1.0-rc.1', 2)], '2.1.0-rc.1'],
    ['no deprecated one while an active one exists', [entry('1.0.0', 1), entry('1.1.0', 2, 'deprecated')], '1.0.0'],
    ['a deprecated one where there is nothing else', [entry('1.0.0', 1, 'deprecated'), entry('1.1.0', 2, 'yanked')], '1.0.0'],
    ['never a yanked one', [entry('1.0.0', 1, 'yanked')], null],
  ])('newest: %s', (_name, versions, expected) => expect(chooseVersion(NEWEST, versions)?.version ?? null).toBe(expected));

  it.each<[string, readonly CatalogEntry[], string | null]>([
    ['a release before a higher pre-release', [entry('1.0.0', 1), entry('2.0.0-rc.1', 2)], '1.0.0'],
    ['a pre-release where there is nothing else', [entry('1.0.0-rc.2', 1), entry('1.0.0-rc.10', 2)], '1.0.0-rc.10'],
    ['an active pre-release before a deprecated release', [entry('1.0.0-rc.1', 1), entry('0.9.0', 2, 'deprecated')], '1.0.0-rc.1'],
    [
      'a deprecated release before a deprecated pre-release',
      [entry('1.0.0-rc.1', 1, 'deprecated'), entry('0.9.0', 2, 'deprecated')],
      '0.9.0',
    ],
  ])('latest: %s', (_name, versions, expected) => expect(chooseVersion({ kind: 'latest' }, versions)?.version ?? null).toBe(expected));

  it('follows a tag, but not to a yanked entry', () => {
    expect(chooseVersion(parseAskedVersion('prod'), catalog, '1001')?.version).toBe('1.0.0');
    expect(chooseVersion(parseAskedVersion('prod'), catalog, '1005')?.version).toBe('3.0.0');
    expect(chooseVersion(parseAskedVersion('prod'), catalog, '1006')).toBeNull();
  });
});

const numbers = fc.integer({ min: 0, max: 3 });
const versions = fc
  .uniqueArray(
    fc
      .tuple(numbers, numbers, numbers, fc.constantFrom('', '', '', '-rc.1', '-rc.2', '-alpha'))
      .map(([a, b, c, pre]) => `${a}.${b}.${c}${pre}`),
    { maxLength: 12 },
  )
  .chain((texts) =>
    fc
      .array(fc.constantFrom<EntryStatus>('active', 'active', 'deprecated', 'yanked'), { minLength: texts.length, maxLength: texts.length })
      .map((statuses) => texts.map((text, index) => entry(text, index + 1, statuses[index]))),
  );
const ranges = fc.oneof(
  fc.constantFrom('*', '1.x', '>=1 <3', '^0.1', '1 - 2', '<2 || >=3', '~1.2', '>=1.1.1-rc.1 <1.2', '^2.0.0-alpha'),
  fc
    .tuple(fc.constantFrom('^', '~', '>=', '<=', '<', '>'), numbers, numbers, numbers)
    .map(([operator, a, b, c]) => `${operator}${a}.${b}.${c}`),
);

describe('against a brute force', () => {
  it('a range gives the maximum node-semver finds among the active, else among the deprecated', () => {
    fc.assert(
      fc.property(versions, ranges, (all, range) => {
        const of = (status: EntryStatus): string[] => all.filter((each) => each.status === status).map((each) => each.version);
        const expected = semver.maxSatisfying(of('active'), range) ?? semver.maxSatisfying(of('deprecated'), range);
        expect(chooseVersion(parseAskedVersion(range), all)?.version ?? null).toBe(expected);
      }),
    );
  });

  it('latest is the last of a sort by status, release and version', () => {
    fc.assert(
      fc.property(versions, (all) => {
        const key = (each: CatalogEntry): number => (each.status === 'active' ? 2 : 0) + (semver.prerelease(each.version) ? 0 : 1);
        const sorted = all
          .filter((each) => each.status !== 'yanked')
          .sort((a, b) => key(a) - key(b) || semver.compare(a.version, b.version));
        expect(chooseVersion({ kind: 'latest' }, all)).toBe(sorted.at(-1) ?? null);
      }),
    );
  });

  it('an exact version finds its entry whatever its status', () => {
    fc.assert(
      fc.property(versions, (all) => {
        for (const each of all) expect(chooseVersion(parseAskedVersion(`v${each.version}`), all)).toBe(each);
      }),
    );
  });

  it('the order of the rows never matters, and the explanation agrees with the choice', () => {
    fc.assert(
      fc.property(versions, fc.oneof(ranges, fc.constantFrom('latest', '1', '2', '1.0.0', 'prod')), (all, text) => {
        const asked = parseAskedVersion(text);
        const tagged = all[0]?.id ?? null;
        const { chosen, candidates } = resolveVersion(asked, all, tagged);
        expect(chooseVersion(asked, [...all].reverse(), tagged)).toBe(chosen);
        expect(candidates.filter((each) => each.chosen).map((each) => each.entry)).toEqual(chosen ? [chosen] : []);
        expect(candidates).toHaveLength(all.length);
        expect(candidates.every((each) => each.why.length > 0)).toBe(true);
      }),
    );
  });
});

describe(resolveVersion.name, () => {
  it('explains every version, highest first', () => {
    const { candidates } = resolveVersion(parseAskedVersion('>=1.3'), catalog);
    expect(candidates.map((each) => [each.entry.version, each.why])).toEqual([
      ['5.0.0', 'held: it waits for a review'],
      ['4.0.0', 'yanked: found only by its exact version or revision'],
      ['3.0.0', 'deprecated: 2.0.0 goes before it'],
      ['2.1.0-rc.1', 'does not satisfy >=1.3'],
      ['2.0.0', 'the highest that satisfies >=1.3'],
      ['1.3.0', '2.0.0 is higher'],
      ['1.0.0', 'does not satisfy >=1.3'],
    ]);
  });

  it('says why a version that is not wanted was taken all the same', () => {
    const { candidates } = resolveVersion({ kind: 'latest' }, [entry('1.0.0', 1, 'deprecated')]);
    expect(candidates[0]?.why).toBe('the highest; deprecated, but nothing better matches');
  });
});
