import { type Json } from '../values.js';
import { type Findings } from './findings.js';
import { StepSet, targetsOf } from './graph.js';
import { type Field } from './mapping.js';
import { type Step } from './playbook.js';

/** A step that fires at its n-th arrival, although others are still on their way (docs/workflows.md). */
export interface CompiledJoin {
  /** Arrivals that it takes, from 1. */
  readonly count: number;
  /** Steps from which every ordinary way, over edges of `next`, leads into it: what is under way there is lost once it has fired. */
  readonly losers: StepSet;
}

/** What a document says: a number; undefined where it is `all`, or wrong. */
export function joinOf(field: Field | null, findings: Findings): number | undefined {
  if (!field || field.value === null || field.value === 'all') return undefined;
  if (field.value === 'any') return 1;
  if (isCount(field.value)) return field.value;
  findings.error('invalid_join', field.pointer, 'join must be all, any, or a whole number from 1; a template cannot say it.');
  return undefined;
}

const isCount = (value: Json): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 1;

/** A step of a document, with where it says how it joins. */
export interface JoiningDraft {
  readonly step: Omit<Step, 'role'>;
  /** Null where it says nothing. */
  readonly joinPointer: string | null;
}

/** Refuses joins that no run could keep: on the entry, which no edge has to reach, and of more arrivals than there are edges. */
export function checkJoins(drafts: readonly JoiningDraft[], entry: JoiningDraft | undefined, findings: Findings): void {
  for (const draft of drafts) {
    const { step, joinPointer } = draft;
    if (joinPointer === null) continue;
    if (draft === entry) findings.error('invalid_join', joinPointer, `"${step.name}" is where the run begins; it joins nothing.`);
    else if (step.join !== undefined) {
      const edges = drafts.flatMap((each) => targetsOf(each.step)).filter((name) => name === step.name).length;
      if (step.join > edges)
        findings.error(
          'invalid_join',
          joinPointer,
          `"${step.name}" would wait for ${step.join} arrivals, and ${edges === 1 ? '1 edge leads' : `${edges} edges lead`} there.`,
        );
    }
  }
}

/** What a step has to do with joins. */
export interface StepJoins {
  /** Null where it waits for all. */
  readonly join: CompiledJoin | null;
  /** Joins that come behind it in the same round of whatever loops there are: what is behind those belongs to the next round. */
  readonly ahead: readonly number[];
}

const NOTHING: StepJoins = { join: null, ahead: [] };

/**
 * What each step has to do with joins that count, by its place. It takes time with every walk of the graph, and so stops after each.
 * @param edges all edges of each step, as `edgesOf` gives them
 */
export function* joinsOf(
  steps: readonly Step[],
  edges: readonly (readonly number[])[],
  indexOf: ReadonlyMap<string, number>,
): Generator<void, (index: number) => StepJoins, void> {
  if (steps.every(({ join }) => join === undefined)) return () => NOTHING;
  const ordinary = steps.map((step) => ordinaryTargets(step).flatMap((name) => indexOf.get(name) ?? []));
  const ordinaryBack = turned(ordinary);
  const entry = steps.findIndex(({ role }) => role === 'entry');
  const round = yield* withoutBackEdges(edges, Math.max(0, entry));
  const roundBack = turned(round);
  const before = new Map<number, { readonly leading: StepSet; readonly behind: StepSet }>();
  for (const [index, { join }] of steps.entries()) {
    if (join === undefined) continue;
    // On a cycle with several ways in nobody can tell what comes first.
    before.set(index, { leading: closure([index], roundBack, -1), behind: closure([index], round, -1) });
    yield;
  }
  return (index) => {
    const count = steps[index]!.join;
    return {
      join: count === undefined ? null : { count, losers: losersOf(index, ordinary, ordinaryBack) },
      ahead: [...before].flatMap(([join, { leading, behind }]) => (leading.has(index) && !behind.has(index) ? [join] : [])),
    };
  };
}

function turned(edges: readonly (readonly number[])[]): number[][] {
  const back: number[][] = edges.map(() => []);
  edges.forEach((targets, from) => targets.forEach((to) => back[to]!.push(from)));
  return back;
}

/** The graph as one round goes through it: without the edges that lead back to a step which every way to where they begin has passed. */
function* withoutBackEdges(edges: readonly (readonly number[])[], entry: number): Generator<void, number[][], void> {
  const round: number[][] = edges.map(() => []);
  for (const [step, sources] of turned(edges).entries()) {
    if (step === entry || sources.length === 0) continue;
    const reached = closure([entry], edges, step);
    for (const from of sources) if (from !== step && reached.has(from)) round[from]!.push(step);
    yield;
  }
  return round;
}

/** Where a step leads if it goes well. */
const ordinaryTargets = ({ next }: Step): string[] =>
  next.flatMap((entry) => [...entry.then, ...(entry.kind === 'when' ? entry.else : [])].map(({ step }) => step));

/** Those that reach the join, and, without passing it, nothing that does not: neither an end nor a cycle without a way to it. */
function losersOf(join: number, forward: readonly (readonly number[])[], backward: readonly (readonly number[])[]): StepSet {
  const leading = closure([join], backward, -1);
  const elsewhere = closure(
    [...forward.keys()].filter((index) => !leading.has(index)),
    backward,
    join,
  );
  const losers = new StepSet(forward.length);
  for (const index of forward.keys()) if (index !== join && !elsewhere.has(index)) losers.add(index);
  return losers;
}

/** These, and everything they lead to. @param without a step that is not passed; -1: none */
function closure(origins: readonly number[], edges: readonly (readonly number[])[], without: number): StepSet {
  const reached = new StepSet(edges.length);
  const open = [...origins];
  for (const index of origins) reached.add(index);
  while (open.length > 0) {
    for (const next of edges[open.pop()!]!) {
      if (next === without || reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}
