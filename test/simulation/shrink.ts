import { type Mutant } from './mutants.js';
import { CALM, type Weather } from './network.js';
import { type ActBlock, type Block, type IterateBlock, type Program, type Scenario } from './scenario.js';
import { simulate } from './world.js';

/** At most so many simulations per shrinking. */
const MOST_TRIES = 600;

/**
 * The smallest scenario found that still breaks the same rule: operations, faults, weather, nodes and pieces of playbooks are taken away for as
 * long as it does.
 */
export async function shrink(scenario: Scenario, rule: string, mutant: Mutant | null = null, mostTries = MOST_TRIES): Promise<Scenario> {
  let smallest = scenario;
  let tries = 0;
  const stillFails = async (candidate: Scenario): Promise<boolean> => {
    tries += 1;
    try {
      return (await simulate(candidate, mutant)).history.violations[0]?.rule === rule;
    } catch {
      // A candidate that makes no sense (a cancel of nothing, an empty playbook) is no smaller failure.
      return false;
    }
  };
  for (let isSmaller = true; isSmaller && tries < mostTries;) {
    isSmaller = false;
    for (const candidate of candidates(smallest)) {
      if (tries >= mostTries) break;
      if (!(await stillFails(candidate))) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

/** Every scenario that is one step smaller, the largest steps first. */
function* candidates(scenario: Scenario): Generator<Scenario> {
  const { operations, faults, weather, nodes, programs } = scenario;
  const isCalm = Object.values(weather).every((rate) => rate === 0);
  if (!isCalm) yield { ...scenario, weather: CALM };
  yield* without(faults).map((fewer) => ({ ...scenario, faults: fewer }));
  yield* without(operations).map((fewer) => ({ ...scenario, operations: fewer }));
  for (const kind of Object.keys(weather) as (keyof Weather)[]) {
    if (weather[kind] > 0) yield { ...scenario, weather: { ...weather, [kind]: 0 } };
  }
  if (nodes > 1) yield { ...scenario, nodes: nodes - 1 };
  for (const [at, program] of programs.entries()) {
    const isUsed =
      operations.some((operation) => operation.kind === 'start' && operation.program === at) ||
      programs.some(({ body }) => calls(body, at));
    if (!isUsed && program !== EMPTY) {
      if (JSON.stringify(program) !== JSON.stringify(EMPTY)) yield { ...scenario, programs: programs.with(at, EMPTY) };
    } else for (const body of smallerBlocks(program.body)) yield { ...scenario, programs: programs.with(at, { ...program, body }) };
  }
  for (const [at, operation] of operations.entries()) {
    if (operation.kind === 'start' && operation.twice)
      yield { ...scenario, operations: operations.with(at, { ...operation, twice: false }) };
    else if (operation.kind === 'start' && operation.keyed)
      yield { ...scenario, operations: operations.with(at, { ...operation, keyed: false }) };
    if (operation.kind !== 'start') continue;
    const { delayMs, timeoutMs, ...plain } = operation;
    if (delayMs !== undefined)
      yield { ...scenario, operations: operations.with(at, timeoutMs === undefined ? plain : { ...plain, timeoutMs }) };
    if (timeoutMs !== undefined)
      yield { ...scenario, operations: operations.with(at, delayMs === undefined ? plain : { ...plain, delayMs }) };
  }
}

const ACT: ActBlock = {
  kind: 'act',
  name: 'a',
  effect: true,
  ms: 0,
  fails: 0,
  hangs: false,
  attempts: 1,
  delay: 1,
  onError: 'fail',
  obeys: true,
  kills: false,
};
const EMPTY: Program = { hasEnd: false, body: ACT };

function calls(block: Block, program: number): boolean {
  if (block.kind === 'call') return block.program === program;
  if (block.kind === 'seq') return block.blocks.some((each) => calls(each, program));
  if (block.kind === 'fork' || block.kind === 'race' || block.kind === 'choice') return block.branches.some((each) => calls(each, program));
  return block.kind === 'loop' && calls(block.body, program);
}

/** Halves first, then single ones taken away. */
function without<T>(items: readonly T[]): (readonly T[])[] {
  const middle = items.length >> 1;
  const halves = items.length > 3 ? [items.slice(0, middle), items.slice(middle)] : [];
  return [...halves, ...items.map((_, at) => items.toSpliced(at, 1))];
}

function* smallerIterates(block: IterateBlock): Generator<IterateBlock> {
  const { items, inner, saves, failing } = block;
  if (block.timeout !== undefined) {
    const { timeout: _timeout, ...untimed } = block;
    yield untimed;
  }
  if (items > 1) yield { ...block, items: items - 1, failing: failing.filter((at) => at < items - 1) };
  if (inner > 0) yield { ...block, inner: inner - 1 };
  for (const at of saves.keys()) yield { ...block, saves: saves.toSpliced(at, 1) };
  for (const at of failing.keys()) yield { ...block, failing: failing.toSpliced(at, 1) };
  if (block.concurrency > 1) yield { ...block, concurrency: 1 };
  if (block.fails > 0) yield { ...block, fails: 0 };
  else if (block.attempts > 1) yield { ...block, attempts: 1 };
  if (block.ms > 0) yield { ...block, ms: 0 };
  if (!block.obeys) yield { ...block, obeys: true };
}

function* smallerBlocks(block: Block): Generator<Block> {
  switch (block.kind) {
    case 'act':
      if (block.fails !== 0) yield { ...block, fails: 0, hangs: false };
      if (block.attempts > 1 && block.fails === 0) yield { ...block, attempts: 1 };
      if (block.delay !== ACT.delay && block.attempts === 1) yield { ...block, delay: ACT.delay };
      if (block.ms > 0) yield { ...block, ms: 0 };
      if (!block.obeys) yield { ...block, obeys: true };
      if (block.onError !== 'fail') yield { ...block, onError: 'fail' };
      if (block.saves) {
        const { saves, ...plain } = block;
        yield plain;
        if (saves.length > 1) for (const at of saves.keys()) yield { ...block, saves: saves.toSpliced(at, 1) };
      }
      return;
    case 'iterate':
      yield { ...ACT, name: block.name };
      yield* smallerIterates(block);
      return;
    case 'seq':
      if (block.blocks.length === 1) yield block.blocks[0]!;
      for (const [at, each] of block.blocks.entries()) {
        if (block.blocks.length > 1) yield { ...block, blocks: block.blocks.toSpliced(at, 1) };
        for (const smaller of smallerBlocks(each)) yield { ...block, blocks: block.blocks.with(at, smaller) };
      }
      return;
    case 'race':
      yield { kind: 'fork', name: block.name, branches: block.branches };
      for (const [at, each] of block.branches.entries()) {
        yield each;
        if (block.branches.length > 1)
          yield { ...block, count: Math.min(block.count, block.branches.length - 1), branches: block.branches.toSpliced(at, 1) };
        for (const smaller of smallerBlocks(each)) yield { ...block, branches: block.branches.with(at, smaller) };
      }
      return;
    case 'fork':
    case 'choice':
      for (const [at, each] of block.branches.entries()) {
        yield each;
        if (block.branches.length > 1 && block.kind === 'fork') yield { ...block, branches: block.branches.toSpliced(at, 1) };
        for (const smaller of smallerBlocks(each)) yield { ...block, branches: block.branches.with(at, smaller) };
      }
      return;
    case 'call':
      yield { ...ACT, name: block.name };
      if (block.timeout !== undefined) {
        const { timeout: _timeout, ...untimed } = block;
        yield untimed;
      }
      if (block.items > 0) yield { ...block, items: block.items - 1 };
      if (block.concurrency > 1) yield { ...block, concurrency: 1 };
      return;
    case 'say':
      if (block.word !== 'log') yield { ...block, word: 'log', onError: 'fail' };
      return;
    case 'wait':
    case 'wait_for':
    case 'approval':
      yield { ...ACT, name: block.name };
      return;
    case 'loop':
      yield block.body;
      if (block.times > 2) yield { ...block, times: block.times - 1 };
      for (const smaller of smallerBlocks(block.body)) yield { ...block, body: smaller };
  }
}
