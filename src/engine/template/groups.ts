import { type Json } from '../values.js';

/** Pairs that groupby has made: to all but the template that has made them they are lists of two. */
const groups = new WeakSet<readonly Json[]>();

export function groupOf(grouper: Json, list: Json[]): Json[] {
  const group = [grouper, list];
  groups.add(group);
  return group;
}

/** The template is done: what it leaves means the same whether it is still the same list or was read from where it was stored. */
export function forgetGroup(group: readonly Json[]): void {
  groups.delete(group);
}

/** `group.grouper` and `group.list`; lists have no other names. */
export function namedPartOf(list: readonly Json[], name: string): Json | undefined {
  if ((name !== 'grouper' && name !== 'list') || !groups.has(list)) return undefined;
  return list[name === 'grouper' ? 0 : 1];
}
