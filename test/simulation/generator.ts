import { operationsOf } from './operations.js';
import { CALM, type Weather } from './network.js';
import {
  type ActBlock,
  type Block,
  type CallBlock,
  type Fault,
  type IterateBlock,
  type Operation,
  type Program,
  type SavePlan,
  type Scenario,
  type UndoPlan,
} from './scenario.js';
import { Random } from './random.js';

/** The scenario of a seed. */
export function generate(seed: number): Scenario {
  const random = new Random(seed, 'scenario');
  const nodes = random.weighted([
    [3, 2],
    [3, 3],
    [1, 4],
  ]);
  const healAt = random.int(8_000, 22_000);
  const leaseMs = random.pick([3_000, 3_000, 5_000, 9_000]);
  const count = random.int(1, 3);
  // Programs that others call come behind those that clients start.
  const hasCalled = random.chance(0.35);
  const below = random.fork('below');
  const isDeep = hasCalled && below.chance(0.3);
  const called = [
    ...(hasCalled ? [calledProgram(random.fork('called'), isDeep ? count + 1 : null)] : []),
    ...(isDeep ? [calledProgram(below, null)] : []),
  ];
  const programs = Array.from({ length: count }, (_, at) => programOf(random.fork(`program ${at}`), called.length > 0 ? count : null));
  // At most one execution kills its holders, and then little else does: who is poisoned by whom stays clear.
  const killer = random.chance(0.06);
  const operations = operationsOf(random.fork('operations'), {
    nodes,
    programs: programs.length,
    killer: killer ? programs.length + called.length : null,
    untilMs: healAt,
    signals: programs.map(({ body }) => namesOf(body, 'wait_for')),
    approvals: programs.map(({ body }) => namesOf(body, 'approval')),
  });
  const faults = faultsOf(random.fork('faults'), { nodes, untilMs: healAt, leaseMs, operations });
  return {
    seed,
    leaseMs,
    nodes,
    capacity: random.pick([2, 8, 8, 64]),
    weather: random.chance(0.25) ? CALM : weatherOf(random),
    skewMs: random.pick([0, 0, 200, 5_000]),
    healAt,
    programs: [...programs, ...called, ...(killer ? [KILLER] : [])],
    operations,
    faults: killer ? faults.filter(({ kind }) => kind === 'stop' || kind === 'drain').slice(0, 2) : faults,
  };
}

const KILLING: ActBlock = {
  kind: 'act',
  name: 'killer',
  effect: true,
  ms: 300,
  fails: 0,
  hangs: false,
  attempts: 1,
  delay: 1,
  onError: 'fail',
  obeys: true,
  kills: true,
};
const KILLER: Program = { hasEnd: true, body: KILLING };

function weatherOf(random: Random): Weather {
  const rate = (most: number): number => (random.chance(0.5) ? 0 : random.next() * most);
  return {
    lost: rate(0.04),
    lostReply: rate(0.06),
    late: rate(0.05),
    twice: rate(0.05),
    transient: rate(0.05),
    warning: rate(0.02),
    slow: rate(0.08),
  };
}

interface FaultRoom {
  readonly nodes: number;
  readonly untilMs: number;
  readonly leaseMs: number;
  readonly operations: readonly Operation[];
}

function faultsOf(random: Random, { nodes, untilMs, leaseMs, operations }: FaultRoom): Fault[] {
  return Array.from({ length: random.int(0, 5) }, (): Fault => {
    // Half of them are aimed at a node that has just been asked for something.
    const target = random.chance(0.5) ? random.pick(operations) : null;
    const at = target ? Math.min(target.at + random.int(5, 2_000), untilMs - 500) : random.int(100, untilMs - 1_000);
    const node = target ? target.node : random.int(0, nodes - 1);
    const aboutALease = Math.round(leaseMs * (0.8 + random.next()));
    const forMs = Math.min(
      random.pick([random.int(50, 800), random.int(800, 4_000), aboutALease, random.int(4_000, 12_000)]),
      untilMs - at,
    );
    return random.weighted<() => Fault>([
      [4, () => ({ kind: 'crash', at, node, forMs })],
      [
        4,
        () => ({
          kind: 'crash_at',
          at,
          node,
          forMs,
          request: random.int(1, 12),
          moment: random.pick(['sent', 'stored', 'answered'] as const),
        }),
      ],
      [3, () => ({ kind: 'stop', at, node, forMs })],
      [2, () => ({ kind: 'sleep', at, node, forMs })],
      [2, () => ({ kind: 'drain', at, node, forMs })],
      [2, () => ({ kind: 'cut', at, node, forMs })],
      [1.5, () => ({ kind: 'database_away', at, forMs: Math.min(forMs, 6_000) })],
    ])();
  }).sort((a, b) => a.at - b.at);
}

/** Rounds after which a history has a snapshot. */
const MANY_ROUNDS = 140;

/** @param called the program that its steps may call; null: none */
function programOf(random: Random, called: number | null): Program {
  let names = 0;
  const speaking = random.fork('speaking');
  const undoing = random.fork('undoing');
  // A saga: most of what it does can be undone, and often something goes wrong in the end.
  const isSaga = undoing.chance(0.35);
  const sayOf = (canFail: boolean): Block[] => {
    if (!speaking.chance(0.4)) return [];
    const word = canFail && speaking.chance(0.15) ? 'fail' : speaking.pick(['progress', 'log'] as const);
    return [
      {
        kind: 'say',
        name: nameOf('say'),
        word,
        onError: word === 'fail' ? speaking.pick(['fail', 'continue', 'handler'] as const) : 'fail',
      },
    ];
  };
  const nameOf = (word: string): string => `${word}${++names}`;
  // Inside of a cycle at most one token: there a join fires early where branches differ in length (the tie rule, playbook language §5.3).
  const blockOf = (depth: number, canFail: boolean, inCycle = false): Block => {
    const kind = random.weighted<Exclude<Block['kind'], 'say'>>([
      [5, 'act'],
      [called === null ? 0 : 4, 'call'],
      [inCycle ? 0.4 : 0.9, 'iterate'],
      [depth > 0 ? 3 : 0, 'seq'],
      [depth > 0 && !inCycle ? 2 : 0, 'fork'],
      [depth > 0 ? 1.5 : 0, 'race'],
      [depth > 0 ? 1.5 : 0, 'choice'],
      [depth > 0 ? 1.5 : 0, 'loop'],
      [inCycle ? 0 : 0.7, 'wait'],
      [inCycle ? 0 : 0.5, 'wait_for'],
      [inCycle ? 0.3 : 0.8, 'approval'],
    ]);
    const several = (least: number, most: number): Block[] =>
      Array.from({ length: random.int(least, most) }, () => blockOf(depth - 1, canFail, inCycle));
    switch (kind) {
      case 'act':
        return {
          ...actOf(random, nameOf('a'), canFail, inCycle),
          ...(isSaga && undoing.chance(0.7) ? { undo: undoOf(undoing, called) } : {}),
        };
      case 'call':
        return callOf(random, nameOf('c'), called!);
      case 'iterate':
        return iterateOf(random, nameOf('i'), canFail, inCycle);
      case 'seq':
        return { kind, blocks: several(2, 3) };
      case 'fork':
        return { kind, name: nameOf('fork'), branches: several(2, 3) };
      case 'race': {
        const branches = Array.from({ length: random.int(2, 4) }, () => unfailing(blockOf(depth - 1, false, inCycle)));
        return { kind, name: nameOf('race'), count: random.int(1, branches.length), branches };
      }
      case 'choice': {
        const branches = several(2, 3);
        const only = random.int(0, branches.length);
        return { kind, name: nameOf('choice'), branches, flags: branches.map((_, at) => (inCycle ? at === only : random.chance(0.5))) };
      }
      case 'wait':
        return { kind, name: nameOf('w'), seconds: random.pick([0.05, 1, 3, 8]) };
      case 'wait_for':
        return { kind, name: nameOf('w'), seconds: random.pick([0.5, 3, 9]), asks: speaking.chance(0.5) };
      case 'approval':
        return { kind, name: nameOf('p'), seconds: random.pick([0.3, 2, 7, 12]), quorum: random.pick([1, 1, 2, 3]) };
      case 'loop':
        return {
          kind,
          name: nameOf('loop'),
          times: random.int(2, 3),
          body: { kind: 'seq', blocks: [blockOf(depth - 1, canFail, true), ...sayOf(false)] },
        };
    }
  };
  if (random.chance(0.03)) {
    const act = actOf(random, nameOf('a'), false, true);
    const body: Block = { ...act, effect: random.chance(0.2), ms: random.pick([0, 5]), attempts: 1, fails: 0, hangs: false };
    return { body: { kind: 'loop', name: nameOf('loop'), times: MANY_ROUNDS, body }, hasEnd: true };
  }
  return {
    body: {
      kind: 'seq',
      blocks: [
        blockOf(2, true),
        ...sayOf(true),
        blockOf(1, true),
        ...sayOf(true),
        ...(isSaga && undoing.chance(0.4) ? [{ ...KILLING, name: nameOf('a'), fails: 'always' as const, kills: false }] : []),
      ],
    },
    hasEnd: random.chance(0.8),
  };
}

/** A caller leaves memory so long after it has nothing to do but wait for its call (worker.service.ts). */
const LEAVES_AFTER_MS = 5_000;

/** One that is called. @param called the program that it calls itself; null: none */
function calledProgram(random: Random, called: number | null): Program {
  if (called !== null) {
    const calling = random.fork('calling');
    const own = actOf(calling, 'b0', true, false);
    return { body: { kind: 'seq', blocks: [own, callOf(calling, 'c0', called)] }, hasEnd: true };
  }
  const leaving = random.fork('leaving');
  // Its end meets the caller as that leaves.
  if (leaving.chance(0.35)) {
    const ms = LEAVES_AFTER_MS - leaving.int(0, 250);
    return { body: { ...KILLING, name: 'b0', ms, kills: false }, hasEnd: true };
  }
  const [first, ...rest] = Array.from({ length: random.int(1, 2) }, (_, at) =>
    random.chance(0.2) ? iterateOf(random, `b${at}`, true, false) : actOf(random, `b${at}`, true, false),
  );
  const undoing = random.fork('undoing');
  const withUndo = (block: Block): Block =>
    block.kind === 'act' && undoing.chance(0.3) ? { ...block, undo: undoOf(undoing, null) } : block;
  const wait: Block[] = random.chance(0.2) ? [{ kind: 'wait', name: 'w0', seconds: random.pick([0.05, 3, 8]) }] : [];
  return { body: { kind: 'seq', blocks: [withUndo(first!), ...wait, ...rest.map(withUndo)] }, hasEnd: true };
}

function callOf(random: Random, name: string, program: number): CallBlock {
  return {
    kind: 'call',
    name,
    program,
    items: random.pick([0, 0, random.int(1, 4)]),
    concurrency: random.pick([1, 2, 8]),
    onError: random.pick(['fail', 'continue', 'handler'] as const),
    ...timedOf(random.fork(`time of ${name}`)),
  };
}

/** A time that may be over before it is: then it goes on. */
function timedOf(random: Random): { readonly timeout?: number; readonly onError?: 'continue' } {
  if (!random.chance(0.15)) return {};
  return { timeout: random.pick([random.int(1, 9) / 100, random.int(1, 20) / 10, random.int(2, 9)]), onError: 'continue' };
}

/** A call may be of a program that fails: in a race nobody does. */
function unfailing(block: Block): Block {
  switch (block.kind) {
    case 'call':
      return block.onError === 'fail' ? { ...block, onError: 'continue' } : block;
    case 'seq':
      return { ...block, blocks: block.blocks.map(unfailing) };
    case 'fork':
    case 'race':
    case 'choice':
      return { ...block, branches: block.branches.map(unfailing) };
    case 'loop':
      return { ...block, body: unfailing(block.body) };
    default:
      return block;
  }
}

/** Names of the steps in a block that wait so. */
function namesOf(block: Block, kind: 'wait_for' | 'approval'): string[] {
  switch (block.kind) {
    case 'wait_for':
    case 'approval':
      return block.kind === kind ? [block.name] : [];
    case 'seq':
      return block.blocks.flatMap((each) => namesOf(each, kind));
    case 'fork':
    case 'race':
    case 'choice':
      return block.branches.flatMap((each) => namesOf(each, kind));
    case 'loop':
      return namesOf(block.body, kind);
    default:
      return [];
  }
}

function actOf(random: Random, name: string, canFail: boolean, inCycle: boolean): ActBlock {
  const attempts = random.weighted([
    [4, 1],
    [2, 2],
    [2, 3],
  ]);
  const fails = canFail && random.chance(0.08) ? 'always' : attempts > 1 ? random.int(0, attempts - 1) : 0;
  const hangs = fails !== 0 && random.chance(0.2);
  return {
    kind: 'act',
    name,
    effect: random.chance(0.75),
    // Attempts that end must do so well within the time-out that the hanging ones need.
    ms: random.weighted([
      [3, 0],
      [4, random.int(1, 60)],
      [3, random.int(60, hangs ? 600 : 1_200)],
      [hangs || inCycle ? 0 : 0.5, random.int(1_200, 6_000)],
    ]),
    fails,
    hangs,
    attempts,
    delay: random.pick(inCycle ? [0.05, 0.5] : [0.05, 0.5, 1, 6.5]),
    onError: random.weighted([
      [2, 'fail' as const],
      [2, 'continue' as const],
      [2, 'handler' as const],
    ]),
    obeys: random.chance(0.8),
    kills: false,
    ...(random.chance(0.2) ? { saves: savesOf(random, canFail) } : {}),
  };
}

function undoOf(random: Random, called: number | null): UndoPlan {
  const attempts = random.pick([1, 1, 2, 3]);
  const program = called !== null && random.chance(0.3) ? called : null;
  return {
    covers: random.pick(['completed', 'completed', 'started'] as const),
    ms: random.pick([0, random.int(1, 60), random.int(60, 1_200)]),
    fails: random.chance(0.15) ? 'always' : random.int(0, attempts - 1),
    attempts: program === null ? attempts : 1,
    delay: random.pick([0.05, 0.5, 1, 6.5]),
    program,
  };
}

function savesOf(random: Random, canFail: boolean): SavePlan[] {
  return Array.from({ length: random.int(1, 2) }, () => ({
    on: random.pick(['success', 'success', 'error', 'always'] as const),
    ms: random.pick([0, random.int(1, 60), random.int(60, 1_200)]),
    fails: canFail && random.chance(0.15),
    onError: random.pick(['fail', 'continue'] as const),
  }));
}

function iterateOf(random: Random, name: string, canFail: boolean, inCycle: boolean): IterateBlock {
  const items = random.weighted([
    [0.3, 0],
    [4, random.int(1, 4)],
    [inCycle ? 0 : 0.5, random.int(5, 12)],
  ]);
  const attempts = random.pick([1, 1, 2, 3]);
  return {
    kind: 'iterate',
    name,
    items,
    inner: items < 5 && random.chance(0.3) ? random.int(1, 3) : 0,
    concurrency: random.pick([1, 1, 2, 8]),
    effect: random.chance(0.8),
    ms: random.pick([0, random.int(1, 60), random.int(60, inCycle ? 200 : 900)]),
    fails: random.int(0, attempts - 1),
    attempts,
    delay: random.pick(inCycle ? [0.05, 0.5] : [0.05, 0.5, 1, 6.5]),
    failing: canFail ? Array.from({ length: items }, (_, at) => at).filter(() => random.chance(0.06)) : [],
    onItem: random.pick(['fail', 'continue'] as const),
    onError: random.pick(['fail', 'continue', 'handler'] as const),
    obeys: random.chance(0.8),
    saves: random.chance(0.3) ? savesOf(random, canFail) : [],
    ...timedOf(random.fork(`time of ${name}`)),
  };
}
