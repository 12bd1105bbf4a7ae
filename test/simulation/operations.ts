import { type Random } from './random.js';
import { APPROVERS, type Operation } from './scenario.js';
import { type World } from './world.js';

interface Room {
  readonly nodes: number;
  readonly programs: number;
  /** The program whose runs kill their holders. */
  readonly killer: number | null;
  readonly untilMs: number;
  /** Names of the signals that each program waits for. */
  readonly signals: readonly (readonly string[])[];
  /** Names of the approvals that each program waits for. */
  readonly approvals: readonly (readonly string[])[];
}

/** One kind of operation: what a scenario may ask for, and what a client does then. New kinds are entries of the table. */
interface OperationKind<Kind extends Operation['kind']> {
  /** The operations of this kind that go with the scenario's starts. */
  generate(random: Random, room: Room, starts: readonly Start[]): Extract<Operation, { kind: Kind }>[];
  perform(world: World, operation: Extract<Operation, { kind: Kind }>): void;
}
type Start = Extract<Operation, { kind: 'start' }>;

export const OPERATIONS: { readonly [Kind in Operation['kind']]: OperationKind<Kind> } = {
  start: {
    generate(random, { nodes, programs, killer, untilMs }) {
      const starts = Array.from({ length: random.int(2, 7) }, (_, run): Start => {
        const keyed = random.chance(0.4);
        return {
          kind: 'start',
          at: random.int(0, Math.floor(untilMs * 0.6)),
          node: random.int(0, nodes - 1),
          run,
          program: random.int(0, programs - 1),
          keyed,
          twice: keyed && random.chance(0.4),
          ...timesOf(random.fork(`times ${run}`)),
        };
      });
      if (killer === null) return starts;
      const { at, node } = starts[0]!;
      return [...starts, { kind: 'start', at, node, run: starts.length, program: killer, keyed: false, twice: false }];
    },
    perform: (world, operation) => world.clients.start(operation),
  },
  retry: {
    generate(random, { nodes, killer }, starts) {
      const tried = starts.filter(({ program }) => program !== killer && random.chance(0.5));
      return tried.map(({ at, run, program }, index) => ({
        kind: 'retry',
        at: at + random.int(50, 4_000),
        node: random.int(0, nodes - 1),
        run: starts.length + index,
        of: run,
        program,
        ...(random.chance(0.4) ? { fork: random.int(0, 30) } : {}),
      }));
    },
    perform: (world, operation) => world.clients.retry(operation),
  },
  cancel: {
    generate(random, { nodes, untilMs }, starts) {
      return starts
        .filter(() => random.chance(0.3))
        .map(({ at, run }) => ({
          kind: 'cancel',
          at: at + random.int(0, Math.floor(untilMs * 0.4)),
          node: random.int(0, nodes - 1),
          run,
          force: random.chance(0.3),
          ...(random.fork(`cancel of ${run}`).chance(0.25) ? { leaves: true as const } : {}),
        }));
    },
    perform: (world, operation) => world.clients.cancel(operation),
  },
  pause: {
    generate(random, { nodes, untilMs }, starts) {
      return starts
        .filter(() => random.chance(0.25))
        .map(({ at, run }) => ({
          kind: 'pause',
          at: at + random.int(0, Math.floor(untilMs * 0.3)),
          node: random.int(0, nodes - 1),
          run,
          forMs: random.pick([random.int(0, 300), random.int(300, 9_000)]),
        }));
    },
    perform: (world, operation) => world.clients.pause(operation),
  },
  signal: {
    generate(random, { nodes, untilMs, signals }, starts) {
      return starts.flatMap(({ at, run, program }) =>
        (signals[program] ?? [])
          .filter(() => random.chance(0.7))
          .map((name) => ({
            kind: 'signal',
            at: at + random.int(0, Math.floor(untilMs * 0.4)),
            node: random.int(0, nodes - 1),
            run,
            name,
          })),
      );
    },
    perform: (world, operation) => world.clients.signal(operation),
  },
  decide: {
    generate(random, { nodes, untilMs, approvals }, starts) {
      return starts.flatMap(({ at, run, program }) =>
        (approvals[program] ?? []).flatMap((name) =>
          APPROVERS.filter(() => random.chance(0.6)).map((by) => ({
            kind: 'decide' as const,
            at: at + random.int(0, Math.floor(untilMs * 0.4)),
            node: random.int(0, nodes - 1),
            run,
            name,
            by,
            decision: random.chance(0.15) ? ('reject' as const) : ('approve' as const),
          })),
        ),
      );
    },
    perform: (world, operation) => world.clients.decide(operation),
  },
};

function timesOf(random: Random): Pick<Start, 'delayMs' | 'timeoutMs'> {
  return {
    ...(random.chance(0.12) ? { delayMs: random.pick([0, random.int(1, 400), random.int(400, 9_000)]) } : {}),
    ...(random.chance(0.2) ? { timeoutMs: random.pick([random.int(1, 300), random.int(300, 3_000), random.int(3_000, 20_000)]) } : {}),
  };
}

export function operationsOf(random: Random, room: Room): Operation[] {
  const starts = OPERATIONS.start.generate(random, room, []);
  const retries = OPERATIONS.retry.generate(random.fork('retry'), room, starts);
  const all = [...starts, ...retries.map((retry): Start => ({ ...retry, kind: 'start', keyed: false, twice: false }))];
  const others = (Object.keys(OPERATIONS) as Operation['kind'][])
    .filter((kind) => kind !== 'start' && kind !== 'retry')
    .flatMap((kind): Operation[] => OPERATIONS[kind].generate(random.fork(kind), room, all));
  return [...starts, ...retries, ...others].sort((a, b) => a.at - b.at);
}

export function perform(world: World, operation: Operation): void {
  const kind = OPERATIONS[operation.kind] as OperationKind<Operation['kind']>;
  kind.perform(world, operation);
}
