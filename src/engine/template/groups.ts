import { type Json } from '../values.js';

/** Pairs that groupby has made: to all but templates they are lists of two. */
const groups = new WeakSet<readonly Json[]>();

export function groupOf(grouper: Json, list: Json[]): Json[] {
  const group = [grouper, list];
  groups.add(group);
  return group;
}

/** `group.grouper` and `group.list`; lists have no other names. */
export function namedPartOf(list: readonly Json[], name: string): Json | undefined {
  if ((name !== 'grouper' && name !== 'list') || !groups.has(list)) return undefined;
  return list[name === 'grouper' ? 0 : 1];
}
