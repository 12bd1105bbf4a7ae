import { type Weather } from './network.js';

/** A piece of a playbook whose meaning can be told without the engine. */
export type Block =
  | ActBlock
  | IterateBlock
  | SayBlock
  | CallBlock
  | { readonly kind: 'seq'; readonly blocks: readonly Block[] }
  /** All branches at once, then on. */
  | { readonly kind: 'fork'; readonly name: string; readonly branches: readonly Block[] }
  /** All branches at once, none of which fails; on once so many of them are over, the others are ended. */
  | { readonly kind: 'race'; readonly name: string; readonly count: number; readonly branches: readonly Block[] }
  /** The branches whose flag is set, at once; none: straight on. */
  | { readonly kind: 'choice'; readonly name: string; readonly flags: readonly boolean[]; readonly branches: readonly Block[] }
  /** The body so many times; its deciding step counts rounds. */
  | { readonly kind: 'loop'; readonly name: string; readonly times: number; readonly body: Block }
  /** A wait of so many seconds. */
  | { readonly kind: 'wait'; readonly name: string; readonly seconds: number }
  /** A wait for the signal of its name, at most so many seconds; on both ways it goes on. `asks`: it is a step that asks for input. */
  | { readonly kind: 'wait_for'; readonly name: string; readonly seconds: number; readonly asks?: boolean }
  /** An approval by so many of `APPROVERS`, at most so many seconds; whatever they decide, and also where they do not, it goes on. */
  | { readonly kind: 'approval'; readonly name: string; readonly seconds: number; readonly quorum: number };

/** Who may decide approvals. */
export const APPROVERS = ['p0', 'p1', 'p2'] as const;

/** Says how far it is or something for the log, and goes on; or fails with a code of its own. */
export interface SayBlock extends Pick<ActBlock, 'name' | 'onError'> {
  readonly kind: 'say';
  readonly word: 'progress' | 'log' | 'fail';
}

export interface ActBlock {
  readonly kind: 'act';
  readonly name: string;
  /** Whether the world can see it. */
  readonly effect: boolean;
  /** Milliseconds it takes. */
  readonly ms: number;
  /** So many first attempts fail; `always`: all. */
  readonly fails: number | 'always';
  /** They fail by not ending within the time-out. */
  readonly hangs: boolean;
  readonly attempts: number;
  /** Seconds between attempts. */
  readonly delay: number;
  readonly onError: 'fail' | 'continue' | 'handler';
  /** Ends promptly when aborted. */
  readonly obeys: boolean;
  /** The process that performs it dies. */
  readonly kills: boolean;
  /** Its saves to the world, in order. */
  readonly saves?: readonly SavePlan[];
  /** How it is undone; none: it is not. */
  readonly undo?: UndoPlan;
}

/** What undoes an act: the world sees it, or it calls another program of the scenario. */
export interface UndoPlan extends Pick<ActBlock, 'ms' | 'fails' | 'attempts' | 'delay'> {
  readonly covers: 'completed' | 'started';
  /** The program that it calls instead, once; null: it acts. */
  readonly program: number | null;
}

/** Goes over items, each of which acts as an `act` does, or goes over items of its own. */
export interface IterateBlock extends Pick<ActBlock, 'name' | 'effect' | 'ms' | 'attempts' | 'delay' | 'onError' | 'obeys'> {
  readonly kind: 'iterate';
  readonly items: number;
  /** How many items each item goes over itself; 0: it acts. */
  readonly inner: number;
  /** Items under way at once; 1: in order. */
  readonly concurrency: number;
  /** So many first attempts of each item fail. */
  readonly fails: number;
  /** Items all of whose attempts fail; where they go over items themselves, their first does. */
  readonly failing: readonly number[];
  readonly onItem: 'fail' | 'continue';
  /** What each item that acts saves to the world. */
  readonly saves: readonly SavePlan[];
  /** Seconds that are perhaps too few for it: it goes on either way. */
  readonly timeout?: number;
}

/** Calls another program of the scenario, which always names what its end gives. */
export interface CallBlock extends Pick<ActBlock, 'name' | 'onError'> {
  readonly kind: 'call';
  readonly program: number;
  /** It is called for each of so many items, and those that fail are gone over; 0: once, by the step itself. */
  readonly items: number;
  readonly concurrency: number;
  /** Seconds that are perhaps too few for it: it goes on either way. */
  readonly timeout?: number;
}

/** One save to the world. */
export interface SavePlan {
  readonly on: 'success' | 'error' | 'always';
  readonly ms: number;
  readonly fails: boolean;
  readonly onError: 'fail' | 'continue';
}

export interface Program {
  readonly body: Block;
  /** Whether it names what its end gives. */
  readonly hasEnd: boolean;
}

/** What a client does. `run` counts the starts of the scenario. */
export type Operation =
  | {
      readonly kind: 'start';
      readonly at: number;
      readonly node: number;
      readonly run: number;
      readonly program: number;
      /** With an idempotency key, and then tried until it is answered. */
      readonly keyed: boolean;
      /** A second client sends the same at the same moment to another node. */
      readonly twice: boolean;
      /** It is not to begin before so many milliseconds are over. */
      readonly delayMs?: number;
      /** Its time is over so many milliseconds after it may begin. */
      readonly timeoutMs?: number;
    }
  /** Once it has ended without completing, it is tried again as the start `run`. */
  | {
      readonly kind: 'retry';
      readonly at: number;
      readonly node: number;
      readonly run: number;
      readonly of: number;
      readonly program: number;
      /** Instead, a fork from one of the steps that have run, whatever it came to; any number names one. */
      readonly fork?: number;
    }
  /** `leaves`: what the execution called goes on. */
  | {
      readonly kind: 'cancel';
      readonly at: number;
      readonly node: number;
      readonly run: number;
      readonly force: boolean;
      readonly leaves?: true;
    }
  /** A pause, and its resume so many milliseconds after it was acknowledged. */
  | { readonly kind: 'pause'; readonly at: number; readonly node: number; readonly run: number; readonly forMs: number }
  | { readonly kind: 'signal'; readonly at: number; readonly node: number; readonly run: number; readonly name: string }
  | {
      readonly kind: 'decide';
      readonly at: number;
      readonly node: number;
      readonly run: number;
      /** Of the step. */
      readonly name: string;
      readonly by: string;
      readonly decision: 'approve' | 'reject';
    };

/** What goes wrong, and when. */
export type Fault =
  | { readonly kind: 'crash'; readonly at: number; readonly node: number; readonly forMs: number }
  /** Dies at the n-th request of its that is sent, stored or answered from then on. */
  | {
      readonly kind: 'crash_at';
      readonly at: number;
      readonly node: number;
      readonly forMs: number;
      readonly request: number;
      readonly moment: 'sent' | 'stored' | 'answered';
    }
  /** SIGSTOP, and SIGCONT later. */
  | { readonly kind: 'stop'; readonly at: number; readonly node: number; readonly forMs: number }
  /** The machine sleeps: its monotonic clock stands still. */
  | { readonly kind: 'sleep'; readonly at: number; readonly node: number; readonly forMs: number }
  /** SIGTERM; another process takes its place once it has ended. */
  | { readonly kind: 'drain'; readonly at: number; readonly node: number; readonly forMs: number }
  | { readonly kind: 'cut'; readonly at: number; readonly node: number; readonly forMs: number }
  | { readonly kind: 'database_away'; readonly at: number; readonly forMs: number };

/** Everything that a simulation is made from; with the seed of its chance it is the same every time. */
export interface Scenario {
  readonly seed: number;
  readonly leaseMs: number;
  readonly nodes: number;
  /** Runs that a node takes at once. */
  readonly capacity: number;
  readonly weather: Weather;
  /** Wall clocks of nodes are off by up to so many milliseconds. */
  readonly skewMs: number;
  /** From here on nothing goes wrong any more. */
  readonly healAt: number;
  readonly programs: readonly Program[];
  readonly operations: readonly Operation[];
  readonly faults: readonly Fault[];
}
