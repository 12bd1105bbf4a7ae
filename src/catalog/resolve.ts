import { type CatalogEntry } from '../storage/catalog-entry.js';
import { compareVersions, isPrerelease, type AskedVersion } from './version.js';

/** One version of the path, and why it was or was not chosen: one sentence for people. */
export interface Candidate {
  readonly entry: CatalogEntry;
  readonly chosen: boolean;
  readonly why: string;
}

export interface Resolution {
  readonly chosen: CatalogEntry | null;
  /** Every version of the path, highest first. */
  readonly candidates: readonly Candidate[];
}

/** How one entry stands: out of the question, or eligible with a class; a lower class wins whatever the version. */
type Standing = { readonly out: string } | { readonly rank: number; readonly handicap: string | null };

/**
 * Which of `versions` is meant. Held entries are never found, yanked entries are found only by an exact pin (a version or a revision), deprecated ones only
 * where nothing else matches, pre-releases on `latest` only where there is no release; ranges follow node-semver.
 * @param versions every version of one path, any order
 * @param tagged id of the entry the asked tag points at; null where there is no such tag or none was asked
 */
export function resolveVersion(asked: AskedVersion, versions: readonly CatalogEntry[], tagged: string | null = null): Resolution {
  const rule = ruleOf(asked, versions, tagged);
  const chosen = best(versions, rule);
  const sorted = [...versions].sort((a, b) => compareVersions(b.version, a.version));
  return { chosen, candidates: sorted.map((entry) => ({ entry, chosen: entry === chosen, why: whyOf(entry, chosen, rule) })) };
}

/** The chosen entry alone, for callers that do not explain. */
export function chooseVersion(asked: AskedVersion, versions: readonly CatalogEntry[], tagged: string | null = null): CatalogEntry | null {
  return best(versions, ruleOf(asked, versions, tagged));
}

interface Rule {
  standing(entry: CatalogEntry): Standing;
  /** Positive where `a` goes before `b` within a class. */
  order(a: CatalogEntry, b: CatalogEntry): number;
  /** What made the chosen one win. */
  readonly reason: string;
}

const byVersion = (a: CatalogEntry, b: CatalogEntry): number => compareVersions(a.version, b.version);
const byRevision = (a: CatalogEntry, b: CatalogEntry): number => a.revision - b.revision;
const HELD = 'held: it waits for a review';
const YANKED = 'yanked: found only by its exact version or revision';

function ruleOf(asked: AskedVersion, versions: readonly CatalogEntry[], tagged: string | null): Rule {
  switch (asked.kind) {
    case 'latest':
      return { standing: (entry) => classed(entry, isPrerelease(entry.version)), order: byVersion, reason: 'the highest' };
    case 'newest':
      return { standing: (entry) => classed(entry, false), order: byRevision, reason: 'the most recently registered' };
    case 'exact':
      return pinned((entry) => entry.version === asked.version, 'the version asked for', `not ${asked.version}`);
    case 'digits':
      return versions.some((entry) => entry.revision === asked.revision)
        ? pinned((entry) => entry.revision === asked.revision, 'the revision asked for', `not revision ${asked.revision}`)
        : ranged(asked.range);
    case 'range':
      return ranged(asked.range);
    case 'tag':
      return {
        standing: (entry) => (entry.id === tagged ? classed(entry, false) : { out: `the tag ${asked.tag} does not point here` }),
        order: byVersion,
        reason: `the tag ${asked.tag} points here`,
      };
  }
}

function ranged(range: { test(version: string): boolean; readonly raw: string }): Rule {
  return {
    standing: (entry) => (range.test(entry.version) ? classed(entry, false) : { out: `does not satisfy ${range.raw}` }),
    order: byVersion,
    reason: `the highest that satisfies ${range.raw}`,
  };
}

function pinned(matches: (entry: CatalogEntry) => boolean, reason: string, otherwise: string): Rule {
  const standing = (entry: CatalogEntry): Standing => {
    if (!matches(entry)) return { out: otherwise };
    return entry.status === 'held' ? { out: HELD } : { rank: 0, handicap: null };
  };
  return { standing, order: byVersion, reason };
}

function classed(entry: CatalogEntry, secondClass: boolean): Standing {
  if (entry.status === 'held') return { out: HELD };
  if (entry.status === 'yanked') return { out: YANKED };
  const rank = (entry.status === 'deprecated' ? 2 : 0) + (secondClass ? 1 : 0);
  return { rank, handicap: entry.status === 'deprecated' ? 'deprecated' : secondClass ? 'a pre-release' : null };
}

function best(versions: readonly CatalogEntry[], rule: Rule): CatalogEntry | null {
  let winner: { readonly entry: CatalogEntry; readonly rank: number } | null = null;
  for (const entry of versions) {
    const standing = rule.standing(entry);
    if ('out' in standing) continue;
    const wins = !winner || standing.rank < winner.rank || (standing.rank === winner.rank && rule.order(entry, winner.entry) > 0);
    if (wins) winner = { entry, rank: standing.rank };
  }
  return winner?.entry ?? null;
}

function whyOf(entry: CatalogEntry, chosen: CatalogEntry | null, rule: Rule): string {
  const mine = rule.standing(entry);
  if ('out' in mine) return mine.out;
  if (!chosen || entry === chosen) return mine.handicap ? `${rule.reason}; ${mine.handicap}, but nothing better matches` : rule.reason;
  const theirs = rule.standing(chosen);
  if (!('out' in theirs) && theirs.rank < mine.rank) return `${mine.handicap ?? 'of a lower class'}: ${chosen.version} goes before it`;
  return rule.order === byRevision ? `${chosen.version} was registered later` : `${chosen.version} is higher`;
}
