import { describeFailure } from './report.js';
import { type Scenario } from './scenario.js';
import { simulate } from './world.js';

/** A scenario that broke a promise once. */
interface Regression {
  readonly name: string;
  readonly scenario: Scenario;
}

/** What `npm run simulate` printed for failing seeds, shrunk. */
const REGRESSIONS: readonly Regression[] = [
  {
    // The machine of the first holder slept with its end under way; its successor had ended the execution by then, after other events.
    name: 'D9: an end that another holder wrote alike is not that of the one who lost',
    scenario: {
      seed: 17040,
      leaseMs: 3000,
      nodes: 2,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 19925,
      programs: [
        {
          body: {
            kind: 'choice',
            name: 'choice7',
            branches: [
              {
                kind: 'act',
                name: 'a4',
                effect: false,
                ms: 30,
                fails: 'always',
                hangs: false,
                attempts: 2,
                delay: 1,
                onError: 'fail',
                obeys: true,
                kills: false,
              },
              {
                kind: 'act',
                name: 'a5',
                effect: true,
                ms: 0,
                fails: 'always',
                hangs: false,
                attempts: 2,
                delay: 1,
                onError: 'continue',
                obeys: true,
                kills: false,
              },
              {
                kind: 'act',
                name: 'a6',
                effect: true,
                ms: 0,
                fails: 'always',
                hangs: false,
                attempts: 2,
                delay: 0.5,
                onError: 'handler',
                obeys: true,
                kills: false,
              },
            ],
            flags: [true, true, true],
          },
          hasEnd: false,
        },
      ],
      operations: [
        { kind: 'start', at: 849, node: 0, run: 3, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 1923, node: 0, run: 1, program: 0, keyed: false, twice: false },
      ],
      faults: [{ kind: 'cut', at: 2684, node: 0, forMs: 2577 }],
    },
  },
  {
    // Another node, or this one, claims it a second later, and the crash count is left alone.
    name: 'R4: a connection that is lost while claimed rows are read says nothing about the rows',
    scenario: {
      seed: 6,
      leaseMs: 5000,
      nodes: 2,
      capacity: 64,
      weather: {
        lost: 0.038749655848369,
        lostReply: 0.03723326041828841,
        late: 0.042792320309672505,
        twice: 0,
        transient: 0.012678800919093193,
        warning: 0,
        slow: 0,
      },
      skewMs: 0,
      healAt: 17223,
      programs: [
        {
          body: {
            kind: 'act',
            name: 'a1',
            effect: false,
            ms: 0,
            fails: 1,
            hangs: true,
            attempts: 3,
            delay: 6.5,
            onError: 'fail',
            obeys: true,
            kills: false,
          },
          hasEnd: true,
        },
        {
          hasEnd: false,
          body: {
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
          },
        },
      ],
      operations: [
        { kind: 'start', at: 4373, node: 1, run: 1, program: 0, keyed: false, twice: false },
        { kind: 'signal', at: 6163, node: 1, run: 1, name: 'w3' },
      ],
      faults: [],
    },
  },
  {
    // Whoever takes a paused execution up again has not told the database yet that it is resumed.
    name: 'D28: a save that had begun before a crash goes on once the resume is committed',
    scenario: {
      seed: 276,
      leaseMs: 5000,
      nodes: 2,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 5000,
      healAt: 12928,
      programs: [
        {
          body: {
            kind: 'act',
            name: 'a1',
            effect: true,
            ms: 0,
            fails: 1,
            hangs: false,
            attempts: 2,
            delay: 0.05,
            onError: 'fail',
            obeys: true,
            kills: false,
            saves: [{ on: 'success', ms: 317, fails: false, onError: 'fail' }],
          },
          hasEnd: false,
        },
      ],
      operations: [
        { kind: 'start', at: 3147, node: 1, run: 6, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 3323, node: 0, run: 5, program: 0, keyed: false, twice: false },
        { kind: 'pause', at: 4756, node: 2, run: 6, forMs: 46 },
      ],
      faults: [
        { kind: 'stop', at: 2166, node: 2, forMs: 3931 },
        { kind: 'crash', at: 3272, node: 1, forMs: 8170 },
        { kind: 'crash_at', at: 5054, node: 2, forMs: 5717, request: 7, moment: 'stored' },
      ],
    },
  },
  {
    // Whoever claimed the caller heard the cancel before anything of the call was under way there, and skipped it.
    name: 'D27: what a lost caller had called is cancelled with it, and before it ends',
    scenario: {
      seed: 34,
      leaseMs: 3000,
      nodes: 1,
      capacity: 64,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 18907,
      programs: [
        {
          hasEnd: false,
          body: {
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
          },
        },
        {
          hasEnd: false,
          body: {
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
          },
        },
        { body: { kind: 'call', name: 'c1', program: 3, items: 0, concurrency: 1, onError: 'continue' }, hasEnd: true },
        {
          body: {
            kind: 'act',
            name: 'b0',
            effect: true,
            ms: 1182,
            fails: 2,
            hangs: false,
            attempts: 3,
            delay: 0.05,
            onError: 'fail',
            obeys: true,
            kills: false,
            saves: [{ on: 'success', ms: 1193, fails: false, onError: 'continue' }],
          },
          hasEnd: true,
        },
        {
          hasEnd: true,
          body: {
            kind: 'act',
            name: 'killer',
            effect: true,
            ms: 0,
            fails: 0,
            hangs: false,
            attempts: 1,
            delay: 1,
            onError: 'fail',
            obeys: true,
            kills: true,
          },
        },
      ],
      operations: [
        { kind: 'start', at: 5177, node: 1, run: 1, program: 2, keyed: false, twice: false },
        { kind: 'start', at: 9021, node: 1, run: 3, program: 4, keyed: false, twice: false },
        { kind: 'cancel', at: 9340, node: 0, run: 1, force: false },
      ],
      faults: [],
    },
  },
  {
    name: 'D3: the end of a call and the release of its caller that waited for a lock are one statement',
    scenario: {
      seed: 1355,
      leaseMs: 3000,
      nodes: 2,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 21561,
      programs: [
        { body: { kind: 'call', name: 'c1', program: 1, items: 0, concurrency: 1, onError: 'fail' }, hasEnd: false },
        {
          body: {
            kind: 'act',
            name: 'b0',
            effect: true,
            ms: 4965,
            fails: 0,
            hangs: false,
            attempts: 1,
            delay: 1,
            onError: 'fail',
            obeys: true,
            kills: false,
          },
          hasEnd: true,
        },
      ],
      operations: [
        { kind: 'start', at: 319, node: 1, run: 1, program: 0, keyed: true, twice: false },
        { kind: 'start', at: 2805, node: 0, run: 5, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 4087, node: 0, run: 2, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 4166, node: 1, run: 3, program: 0, keyed: false, twice: false },
      ],
      faults: [],
    },
  },
  {
    name: 'model: a step whose attempt failed as the time of its execution was over has its other attempts in a retry',
    scenario: {
      seed: 200397,
      leaseMs: 3000,
      nodes: 1,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 18942,
      programs: [
        {
          body: {
            kind: 'act',
            name: 'a3',
            effect: true,
            ms: 0,
            fails: 2,
            hangs: true,
            attempts: 3,
            delay: 0.5,
            onError: 'handler',
            obeys: false,
            kills: false,
          },
          hasEnd: true,
        },
      ],
      operations: [
        { kind: 'start', at: 9015, node: 1, run: 2, program: 0, keyed: false, twice: false, timeoutMs: 11347 },
        { kind: 'retry', at: 9818, node: 1, run: 6, of: 2, program: 0 },
      ],
      faults: [],
    },
  },
];

describe('scenarios that broke a promise once', () => {
  it.each(REGRESSIONS)('$name', async ({ scenario }) => {
    const result = await simulate(scenario);
    expect(result.history.violations.length > 0 ? describeFailure(scenario.seed, result) : 'holds').toBe('holds');
  });
});
