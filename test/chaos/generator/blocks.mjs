import { PRIME } from './arithmetic.mjs';
import { APPROVAL_BLOCKS } from './composite/approvals.mjs';
import { CHILD_BLOCKS, LAST_CHILD_BLOCKS } from './composite/children.mjs';
import { ITERATOR_BLOCKS, LAST_ITERATOR_BLOCKS } from './composite/iterators.mjs';
import { JOIN_BLOCKS, LAST_JOIN_BLOCKS } from './composite/joins.mjs';
import { PAGE_BLOCKS } from './composite/pages.mjs';
import { LAST_SAGA_BLOCKS, SAGA_BLOCKS } from './composite/sagas.mjs';
import { LAST_SAVE_BLOCKS, SAVE_BLOCKS } from './composite/saves.mjs';
import { call, http, template } from './steps.mjs';

/**
 * The grammar: each block is a piece of a playbook with one way in and one way out. To add one, add an entry.
 *
 * A block is made by `make(maker, input)`, where `input` is the template text (without braces) of the value that reaches it, and gives
 * - `entry`: the name of its first step,
 * - `steps(next)`: its steps, leading to the step `next`,
 * - `output`: the template text of the value it hands on,
 * - `predict(run, value)`: what it does in the model, see prediction.mjs; returns the value it hands on, or `null` where the execution fails.
 *
 * `maker` also knows what a block may need of its surroundings: `callable`, the playbooks it may call, and `ledger`, the database it may save to.
 * Where they are not there the block is the plain call that `steps.mjs` makes.
 */
export const BLOCKS = {
  call: { weight: 6, make: (maker, input) => call(maker, input, {}) },
  slow: { weight: 2, make: (maker, input) => call(maker, input, { slow: maker.random.int(150, 2_500) }) },
  pure: { weight: 3, make: pure },
  parallel: { weight: 2, make: parallel },
  cycle: { weight: 2, make: cycle },
  branch: { weight: 2, make: branch },
  retry: { weight: 2, make: (maker, input) => retried(maker, input, 'fail', { delay: 0.05, times: maker.random.int(1, 2) }) },
  // The reply is lost after the effect has happened.
  lost_reply: { weight: 2, make: (maker, input) => retried(maker, input, 'drop', { delay: 0.1, times: 1 }) },
  short_timer: { weight: 1, make: (maker, input) => retried(maker, input, 'fail', { delay: 1 + maker.random.int(0, 10) / 10, times: 1 }) },
  // Long enough for the run to leave memory.
  long_timer: { weight: 1, make: (maker, input) => retried(maker, input, 'fail', { delay: 6 + maker.random.int(0, 20) / 10, times: 1 }) },
  short_wait: { weight: 1, make: (maker, input) => wait(maker, input, maker.random.int(3, 20) / 10) },
  long_wait: { weight: 1, make: (maker, input) => wait(maker, input, 6 + maker.random.int(0, 20) / 10) },
  signal: { weight: 2, make: signal },
  /** Still under way when a node has long lost its lease. */
  very_slow: { weight: 0, make: (maker, input) => call(maker, input, { slow: maker.random.int(2_500, 4_000) }) },
  /** Too long for the general mix; a run that wants it names it. */
  parked: { weight: 0, make: (maker, input) => retried(maker, input, 'fail', { delay: 55, times: 1 }) },
  handled: { weight: 1, make: handled },
  absorbed: { weight: 1, make: absorbed },
  bulky: { weight: 1, make: (maker, input) => call(maker, input, { pad: maker.random.int(1, 100) * 1024 }) },
  ...ITERATOR_BLOCKS,
  ...SAVE_BLOCKS,
  ...CHILD_BLOCKS,
  ...PAGE_BLOCKS,
  ...JOIN_BLOCKS,
  ...APPROVAL_BLOCKS,
  ...SAGA_BLOCKS,
};

/** Blocks that fail the execution, and so may only come last. */
export const LAST_BLOCKS = {
  fatal: { weight: 3, make: fatal },
  ...LAST_ITERATOR_BLOCKS,
  ...LAST_SAVE_BLOCKS,
  ...LAST_CHILD_BLOCKS,
  ...LAST_JOIN_BLOCKS,
  ...LAST_SAGA_BLOCKS,
};

function pure(maker, input) {
  const step = maker.name('pure');
  const factor = maker.random.int(2, 9);
  return {
    entry: step,
    steps: (next) => [{ step, data: { v: template(`(${input} * ${factor} + 1) % ${PRIME}`) }, next }],
    output: `${step}.v`,
    predict: (_run, value) => (value * factor + 1) % PRIME,
  };
}

function parallel(maker, input) {
  const fork = maker.name('fork');
  const join = maker.name('join');
  const branches = Array.from({ length: maker.random.int(2, 4) }, () =>
    call(maker, input, maker.random.chance(0.3) ? { slow: maker.random.int(50, 800) } : {}),
  );
  const sum = branches.map((branch) => branch.output).join(' + ');
  return {
    entry: fork,
    steps: (next) => [
      { step: fork, next: branches.map((branch) => ({ step: branch.entry })) },
      ...branches.flatMap((branch) => branch.steps(join)),
      { step: join, data: { v: template(`(${sum}) % ${PRIME}`) }, next },
    ],
    output: `${join}.v`,
    predict: (run, value) => branches.reduce((total, branch) => total + branch.predict(run, value), 0) % PRIME,
  };
}

function cycle(maker, input) {
  const [tick, body, out] = [maker.name('tick'), maker.name('body'), maker.name('out')];
  const bound = maker.random.int(2, 4);
  return {
    entry: tick,
    steps: (next) => [
      { step: tick, data: { i: template(`(${tick}.i | default(0)) + 1`) }, next: body },
      http(
        maker,
        body,
        `(${input} + ${tick}.i) % ${PRIME}`,
        {},
        { next: [{ when: template(`${tick}.i < ${bound}`), step: tick }, { else: [{ step: out }] }] },
      ),
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

function branch(maker, input) {
  const [split, merge] = [maker.name('split'), maker.name('merge')];
  const [even, odd] = [call(maker, input, {}), call(maker, input, {})];
  const to = (arm) => ({ step: merge, data: { v: template(arm.output) } });
  return {
    entry: split,
    steps: (next) => [
      { step: split, next: [{ when: template(`${input} % 2 == 0`), step: even.entry }, { else: [{ step: odd.entry }] }] },
      ...[even, odd].flatMap((arm) => arm.steps([to(arm)])),
      { step: merge, next },
    ],
    output: `${merge}.v`,
    predict: (run, value) => (value % 2 === 0 ? even : odd).predict(run, value),
  };
}

/** The first `times` calls of the step go wrong; then it goes well. */
function retried(maker, input, how, { delay, times }) {
  const step = maker.name(how === 'drop' ? 'lost' : delay >= 1 ? 'timer' : 'retry');
  const retry = { max_attempts: times + 1, initial_delay: delay, backoff_multiplier: 1, jitter: false };
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, { [how]: times }, { retry, next })],
    output: `${step}.data.v`,
    predict: (run, value) => run.effect(step, value, { attempts: times + 1, delayMs: delay * 1000 }),
  };
}

function wait(maker, input, seconds) {
  const step = maker.name('wait');
  return {
    entry: step,
    steps: (next) => [{ step, type: 'wait', duration: seconds, next }],
    output: input,
    predict: (run, value) => run.wait(step, seconds * 1000, value),
  };
}

/** Waits until a client sends what it waits for. */
function signal(maker, input) {
  const step = maker.name('signal');
  return {
    entry: step,
    steps: (next) => [{ step, type: 'wait_for', name: `go_${step}`, next }],
    output: `((${input}) + ${step}.v) % ${PRIME}`,
    predict: (run, value) => (value + run.signal(`go_${step}`)) % PRIME,
  };
}

function handled(maker, input) {
  const [step, handler] = [maker.name('broken'), maker.name('handler')];
  return {
    entry: step,
    steps: (next) => [
      http(maker, step, input, { always: true }, { on_error: handler, next }),
      { step: handler, data: { v: template(`(${input} + 7) % ${PRIME}`) }, next },
    ],
    output: `${handler}.v`,
    predict: (run, value) => {
      run.effect(step, value);
      return (value + 7) % PRIME;
    },
  };
}

function absorbed(maker, input) {
  const step = maker.name('absorbed');
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, { always: true }, { on_error: 'continue', next })],
    output: input,
    predict: (run, value) => {
      run.effect(step, value);
      return value;
    },
  };
}

function fatal(maker, input) {
  const step = maker.name('fatal');
  const attempts = maker.random.int(1, 2);
  const retry = attempts === 1 ? {} : { retry: { max_attempts: attempts, initial_delay: 0.05, jitter: false } };
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, { always: true }, { ...retry, next })],
    output: '0',
    predict: (run, value) => {
      run.effect(step, value, { attempts });
      return run.fail(step);
    },
  };
}
