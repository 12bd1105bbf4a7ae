import { type EdgeTarget, type Step } from './playbook.js';

/** A set of steps by document index, as bits; small, immutable once built, and quick to intersect. */
export class StepSet {
  private readonly words: Uint32Array;

  constructor(readonly capacity: number) {
    this.words = new Uint32Array((capacity + 31) >>> 5);
  }

  add(index: number): void {
    this.words[index >>> 5]! |= 1 << (index & 31);
  }

  has(index: number): boolean {
    return (this.words[index >>> 5]! & (1 << (index & 31))) !== 0;
  }

  addAll(other: StepSet): void {
    for (let i = 0; i < this.words.length; i++) this.words[i]! |= other.words[i]!;
  }
}

/** Every edge a step may take: all forms of `next`, and the targets of `on_error` and `on_timeout` (D26: the static graph). */
export function targetsOf(step: Pick<Step, 'next' | 'onError' | 'onTimeout'>): string[] {
  const names: string[] = [];
  const add = (targets: readonly EdgeTarget[]): void => void targets.forEach((target) => names.push(target.step));
  for (const entry of step.next) {
    add(entry.then);
    if (entry.kind === 'when') add(entry.else);
  }
  if (step.onError.kind === 'goto') add([step.onError.target]);
  if (step.onTimeout) add([step.onTimeout]);
  return names;
}

/** For each step, the places of the steps its edges lead to. */
export function edgesOf(steps: readonly Step[], indexOf: ReadonlyMap<string, number>): readonly (readonly number[])[] {
  return steps.map((step) => targetsOf(step).flatMap((name) => indexOf.get(name) ?? []));
}

/**
 * All steps that can be reached from one over one edge or more; a step on a cycle reaches itself.
 * @param without steps that no way may pass, and that are not reached
 */
export function reachFrom(origin: number, edges: readonly (readonly number[])[], without?: ReadonlySet<number>): StepSet {
  const reached = new StepSet(edges.length);
  const open: number[] = [];
  const visit = (from: number): void => {
    for (const index of edges[from]!) {
      if (reached.has(index) || without?.has(index)) continue;
      reached.add(index);
      open.push(index);
    }
  };
  visit(origin);
  while (open.length > 0) visit(open.pop()!);
  return reached;
}
