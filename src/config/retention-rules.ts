import { durationMs } from '../engine/run/durations.js';

const ENDS = ['completed', 'failed', 'cancelled'] as const;
const RULE = /^(?:([^:=\s]+):)?([a-z]+)=(\S+)$/;
/** The grammar of catalog paths, or everything below one. */
const PATH = /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)*(?:\/\*)?$/;
const SHORTEST_MS = 60_000;
const LONGEST_MS = 100 * 365.25 * 86_400_000;

/** How an execution can have ended. */
export type End = (typeof ENDS)[number];

/** How long executions that ended so are kept. */
export interface RetentionRule {
  /** Exact path, or everything below it with a trailing `/*`; null: of every path. */
  readonly path: string | null;
  readonly status: End;
  /** Milliseconds since the end; null: for ever. */
  readonly keptMs: number | null;
}

/**
 * Reads RETENTION: a comma list of `status=age` and `path:status=age`, such as `completed=30d, failed=90d, billing/*:completed=7d,
 * audit/*:completed=forever`. Of the rules that fit an execution the one with the most specific path decides; none: it is kept.
 * @param refuse told of each rule that is not one
 */
export function parseRetention(text: string, refuse: (message: string) => void): readonly RetentionRule[] {
  const rules: RetentionRule[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const rule = ruleOf(entry);
    if (typeof rule === 'string') refuse(`"${entry}" ${rule}`);
    else if (rules.some(({ path, status }) => path === rule.path && status === rule.status))
      refuse(`"${entry}" is the second rule of its kind`);
    else rules.push(rule);
  }
  return Object.freeze(rules);
}

/** Milliseconds of an age as operators write it, 100 years at most; undefined for anything else. A bare number would be seconds, and is hardly meant. */
export function ageMs(text: string): number | undefined {
  const ms = /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? undefined : durationMs(text);
  return ms !== undefined && ms <= LONGEST_MS ? ms : undefined;
}

/** Whether a text is a path of the catalog, or with a trailing `/*` everything below one. */
export const isPathOrBelow = (text: string): boolean => PATH.test(text);

/** A rule, or what is wrong with it. */
function ruleOf(entry: string): RetentionRule | string {
  const [, path = null, word, age = ''] = RULE.exec(entry) ?? [];
  if (word === undefined) return 'is not status=age or path:status=age, such as billing/*:completed=7d';
  const status = ENDS.find((end) => end === word);
  if (!status) return `has a state that is none of ${ENDS.join(', ')}`;
  if (path !== null && !isPathOrBelow(path))
    return 'has a path that is neither one of the catalog nor everything below one, such as billing/*';
  if (age === 'forever') return { path, status, keptMs: null };
  const keptMs = ageMs(age);
  if (keptMs === undefined) return 'has an age that is neither a duration with a unit, such as 30d, of 100 years at most, nor forever';
  if (keptMs < SHORTEST_MS) return 'has an age below 1m';
  return { path, status, keptMs };
}
