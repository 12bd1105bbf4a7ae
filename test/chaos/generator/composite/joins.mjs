import { PRIME } from '../arithmetic.mjs';
import { call, http, template } from '../steps.mjs';

/**
 * Joins that do not wait for all. Who is first is chance where several may be: there all hand on the same, and nobody has to be seen. Where it must
 * be certain, the others wait for an hour, which only the join can end: an execution that waits for them does not end in its round.
 */
export const JOIN_BLOCKS = {
  race_open: { weight: 2, make: raceOpen },
  race_won: { weight: 2, make: raceWon },
  quorum: { weight: 1, make: quorum },
  race_cycle: { weight: 1, make: raceCycle },
  join_handled: { weight: 1, make: (maker, input) => joinShort(maker, input, 'handler') },
};

export const LAST_JOIN_BLOCKS = {
  join_fatal: { weight: 1, make: (maker, input) => joinShort(maker, input, 'fail') },
};

/** Waits for an hour, and then makes a call that the model does not know. */
function never(maker, input) {
  const [step, tail] = [maker.name('never'), maker.name('late')];
  return {
    entry: step,
    steps: (next) => [{ step, type: 'wait', duration: 3_600, next: tail }, http(maker, tail, input, {}, { next })],
  };
}

const forked = (fork, branches, join) => [
  { step: fork, next: branches.map(({ entry }) => ({ step: entry })) },
  ...branches.flatMap((branch) => branch.steps(join)),
];

/** Calls of all speeds, and where there is one to call another playbook. */
function raceOpen(maker, input) {
  const [fork, join] = [maker.name('fork'), maker.name('race')];
  const branches = Array.from({ length: maker.random.int(2, 3) }, () =>
    call(maker, input, maker.random.chance(0.6) ? { slow: maker.random.int(20, 1_500) } : {}),
  );
  const callable = maker.callable.filter(({ fails }) => !fails);
  const child = callable.length > 0 && maker.random.chance(0.7) ? maker.random.pick(callable) : null;
  const sub = child && maker.name('sub');
  if (child) {
    maker.calls(child, 1);
    const { path, version } = child;
    branches.push({
      entry: sub,
      steps: (next) => [{ step: sub, type: 'playbook', path, version, data: { n: template(input), blob: '' }, next }],
    });
  }
  const count = maker.random.int(1, branches.length - 1);
  const value = { v: template(`(${input} * 5 + 3) % ${PRIME}`) };
  return {
    entry: fork,
    steps: (next) => [...forked(fork, branches, [{ step: join, data: value }]), { step: join, join: count === 1 ? 'any' : count, next }],
    output: `${join}.v`,
    predict: (run, given) => {
      for (const branch of branches) {
        if (branch.entry === sub) run.child(sub, child, given, { must: false });
        else run.effect(branch.entry, given, { must: false });
      }
      return (given * 5 + 3) % PRIME;
    },
  };
}

function raceWon(maker, input) {
  const [fork, join] = [maker.name('fork'), maker.name('race')];
  const [winner, ...losers] = [call(maker, input, {}), never(maker, input), ...(maker.random.chance(0.5) ? [never(maker, input)] : [])];
  return {
    entry: fork,
    steps: (next) => [
      ...forked(fork, maker.random.chance(0.5) ? [winner, ...losers] : [...losers, winner], join),
      { step: join, join: 'any', data: { v: template(winner.output) }, next },
    ],
    output: `${join}.v`,
    predict: (run, value) => winner.predict(run, value),
  };
}

function quorum(maker, input) {
  const [fork, join] = [maker.name('fork'), maker.name('quorum')];
  const [a, b] = [call(maker, input, { slow: maker.random.int(0, 600) }), call(maker, input, {})];
  return {
    entry: fork,
    steps: (next) => [
      ...forked(fork, [a, never(maker, input), b], join),
      { step: join, join: 2, data: { v: template(`(${a.output} + ${b.output}) % ${PRIME}`) }, next },
    ],
    output: `${join}.v`,
    predict: (run, value) => (a.predict(run, value) + b.predict(run, value)) % PRIME,
  };
}

/** A loop that leads back over its branches: each round has a count of its own. */
function raceCycle(maker, input) {
  const [tick, body, join, out] = [maker.name('tick'), maker.name('body'), maker.name('race'), maker.name('out')];
  const bound = maker.random.int(2, 3);
  const loser = never(maker, input);
  return {
    entry: tick,
    steps: (next) => [
      { step: tick, data: { i: template(`(${tick}.i | default(0)) + 1`) }, next: [{ step: body }, { step: loser.entry }] },
      http(maker, body, `(${input} + ${tick}.i) % ${PRIME}`, {}, { next: join }),
      ...loser.steps(join),
      { step: join, join: 'any', next: [{ when: template(`${tick}.i < ${bound}`), step: tick }, { else: [{ step: out }] }] },
      { step: out, data: { v: template(`${body}.data.v`) }, next },
    ],
    output: `${out}.v`,
    predict: (run, value) => {
      let last = 0;
      for (let wave = 1; wave <= bound; wave++) last = run.effect(body, (value + wave) % PRIME, { wave });
      return last;
    },
  };
}

/** One of two branches ends without coming: the join cannot be had. */
function joinShort(maker, input, onError) {
  const [fork, stray, join] = [maker.name('fork'), maker.name('stray'), maker.name('short')];
  const handler = onError === 'handler' ? maker.name('handler') : null;
  const comes = call(maker, input, {});
  const branches = [comes, { entry: stray, steps: (next) => [http(maker, stray, input, {}, { next: [{ when: 'false', step: next }] })] }];
  return {
    entry: fork,
    steps: (next) => [
      ...forked(fork, branches, join),
      { step: join, join: 2, next, ...(handler === null ? {} : { on_error: handler }) },
      ...(handler === null ? [] : [{ step: handler, data: { v: template(`(${input} + 7) % ${PRIME}`) }, next }]),
    ],
    output: handler === null ? '0' : `${handler}.v`,
    predict: (run, value) => {
      comes.predict(run, value);
      run.effect(stray, value);
      return handler === null ? run.fail(join) : (value + 7) % PRIME;
    },
  };
}
