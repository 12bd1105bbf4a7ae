import { type Mutant } from './mutants.js';
import { describeFailure } from './report.js';
import { type Scenario } from './scenario.js';
import { simulate } from './world.js';

/** A scenario that broke a promise once. With a mutant: one that notices that broken rule, and holds without it. */
interface Regression {
  readonly name: string;
  readonly mutant?: Mutant;
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
    name: 'D13: the fence does not ask for the token',
    mutant: 'no_token',
    scenario: {
      seed: 907,
      leaseMs: 3000,
      nodes: 2,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 21414,
      programs: [
        {
          body: {
            kind: 'seq',
            blocks: [
              {
                kind: 'act',
                name: 'a5',
                effect: true,
                ms: 1453,
                fails: 0,
                hangs: false,
                attempts: 1,
                delay: 1,
                onError: 'fail',
                obeys: true,
                kills: false,
              },
              {
                kind: 'act',
                name: 'a7',
                effect: true,
                ms: 0,
                fails: 1,
                hangs: false,
                attempts: 2,
                delay: 1,
                onError: 'fail',
                obeys: true,
                kills: false,
              },
            ],
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
      operations: [{ kind: 'start', at: 4854, node: 1, run: 2, program: 0, keyed: false, twice: false }],
      faults: [{ kind: 'sleep', at: 6265, node: 1, forMs: 3886 }],
    },
  },
  {
    name: 'C6: a release does not ask for the inbox',
    mutant: 'release_ignores_inbox',
    scenario: {
      seed: 145,
      leaseMs: 3000,
      nodes: 2,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 10557,
      programs: [
        {
          body: {
            kind: 'seq',
            blocks: [
              {
                kind: 'act',
                name: 'a3',
                effect: false,
                ms: 0,
                fails: 1,
                hangs: false,
                attempts: 2,
                delay: 0.05,
                onError: 'fail',
                obeys: true,
                kills: false,
              },
              {
                kind: 'act',
                name: 'a4',
                effect: true,
                ms: 0,
                fails: 'always',
                hangs: false,
                attempts: 3,
                delay: 6.5,
                onError: 'fail',
                obeys: true,
                kills: false,
              },
            ],
          },
          hasEnd: true,
        },
      ],
      operations: [
        { kind: 'start', at: 1510, node: 1, run: 0, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 5540, node: 1, run: 1, program: 0, keyed: false, twice: false },
        { kind: 'cancel', at: 7190, node: 1, run: 1, force: true },
      ],
      faults: [],
    },
  },
  {
    name: 'D28: an end asks neither for the inbox nor for an acknowledged cancel',
    mutant: 'end_ignores_cancel',
    scenario: {
      seed: 157,
      leaseMs: 5000,
      nodes: 2,
      capacity: 8,
      weather: {
        lost: 0.012311890907585622,
        lostReply: 0.021915438529103992,
        late: 0,
        twice: 0,
        transient: 0.048424015706405046,
        warning: 0,
        slow: 0,
      },
      skewMs: 0,
      healAt: 9106,
      programs: [
        {
          body: {
            kind: 'seq',
            blocks: [
              {
                kind: 'seq',
                blocks: [
                  {
                    kind: 'loop',
                    name: 'loop1',
                    times: 2,
                    body: {
                      kind: 'act',
                      name: 'a2',
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
                    kind: 'act',
                    name: 'a3',
                    effect: true,
                    ms: 12,
                    fails: 2,
                    hangs: false,
                    attempts: 3,
                    delay: 0.05,
                    onError: 'fail',
                    obeys: true,
                    kills: false,
                  },
                ],
              },
              {
                kind: 'act',
                name: 'a4',
                effect: false,
                ms: 830,
                fails: 1,
                hangs: false,
                attempts: 2,
                delay: 0.05,
                onError: 'fail',
                obeys: true,
                kills: false,
              },
            ],
          },
          hasEnd: true,
        },
      ],
      operations: [
        { kind: 'start', at: 1418, node: 0, run: 3, program: 0, keyed: true, twice: false },
        { kind: 'start', at: 4266, node: 1, run: 1, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 4432, node: 1, run: 2, program: 0, keyed: false, twice: false },
        { kind: 'start', at: 4899, node: 1, run: 0, program: 0, keyed: true, twice: true },
        { kind: 'cancel', at: 6540, node: 0, run: 0, force: false },
      ],
      faults: [],
    },
  },
  {
    name: 'C6: nobody takes over expired leases',
    mutant: 'sweep_skips_expired',
    scenario: {
      seed: 4,
      leaseMs: 9000,
      nodes: 1,
      capacity: 64,
      weather: { lost: 0, lostReply: 0, late: 0, twice: 0, transient: 0, warning: 0, slow: 0 },
      skewMs: 0,
      healAt: 10446,
      programs: [
        {
          body: {
            kind: 'act',
            name: 'a2',
            effect: true,
            ms: 674,
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
      operations: [{ kind: 'start', at: 1349, node: 1, run: 2, program: 0, keyed: false, twice: false }],
      faults: [{ kind: 'crash', at: 1982, node: 1, forMs: 8464 }],
    },
  },
  {
    name: 'D22: a broken connection counts as not stored',
    mutant: 'lost_reply_is_lost',
    scenario: {
      seed: 16,
      leaseMs: 9000,
      nodes: 3,
      capacity: 8,
      weather: { lost: 0, lostReply: 0, late: 0.017701866710558536, twice: 0, transient: 0, warning: 0, slow: 0.06034971011802554 },
      skewMs: 0,
      healAt: 8915,
      programs: [
        {
          body: {
            kind: 'seq',
            blocks: [
              {
                kind: 'act',
                name: 'a8',
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
              {
                kind: 'act',
                name: 'a9',
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
            ],
          },
          hasEnd: true,
        },
      ],
      operations: [{ kind: 'start', at: 1636, node: 2, run: 3, program: 0, keyed: false, twice: false }],
      faults: [],
    },
  },
];

describe('scenarios that broke a promise once', () => {
  it.each(REGRESSIONS)('$name', async ({ scenario, mutant }) => {
    const result = await simulate(scenario);
    expect(result.history.violations.length > 0 ? describeFailure(scenario.seed, result) : 'holds').toBe('holds');
    if (mutant) expect((await simulate(scenario, mutant)).history.violations).not.toEqual([]);
  });
});
