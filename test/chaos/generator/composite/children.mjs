import { PRIME } from '../arithmetic.mjs';
import { call, template } from '../steps.mjs';

/** Steps that call other generated playbooks: each call is an execution of its own. */
export const CHILD_BLOCKS = {
  sub: { weight: 3, make: sub },
  sub_each: { weight: 1, make: subEach },
  sub_handled: { weight: 1, make: (maker, input) => subFailing(maker, input, 'handler') },
  sub_absorbed: { weight: 1, make: (maker, input) => subFailing(maker, input, 'continue') },
};

export const LAST_CHILD_BLOCKS = {
  sub_fatal: { weight: 1, make: (maker, input) => subFailing(maker, input, 'fail') },
};

/** A playbook to call, which fails for certain or certainly does not. */
const chosen = (maker, fails) => {
  const some = maker.callable.filter((playbook) => playbook.fails === fails);
  return some.length === 0 ? null : maker.random.pick(some);
};

/** How a call names the version; there is no other that these stand for. */
const address = (maker, { path, version }) => ({ path, version: maker.random.pick([version, `~${version}`]) });

function sub(maker, input) {
  const child = chosen(maker, false);
  if (child === null) return call(maker, input, { slow: 400 });
  const step = maker.name('sub');
  maker.calls(child, 1);
  return {
    entry: step,
    steps: (next) => [{ step, type: 'playbook', ...address(maker, child), data: { n: template(input), blob: '' }, next }],
    output: `${step}.v`,
    predict: (run, value) => run.child(step, child, value).result.v,
  };
}

function subEach(maker, input) {
  const child = chosen(maker, false);
  if (child === null) return call(maker, input, {});
  const step = maker.name('subs');
  const count = maker.random.int(2, 3);
  maker.calls(child, count);
  const task = { type: 'playbook', ...address(maker, child), data: { n: '{{ x }}', blob: '' } };
  return {
    entry: step,
    steps: (next) => [
      {
        step,
        type: 'iterator',
        collection: Array.from({ length: count }, (_, index) => template(`(${input} + ${index * 11}) % ${PRIME}`)),
        element: 'x',
        mode: maker.random.pick(['sequential', 'async']),
        task,
        next,
      },
    ],
    output: `(${step} | sum(attribute='v')) % ${PRIME}`,
    predict: (run, value) => {
      let total = 0;
      for (let index = 0; index < count; index++)
        total += run.child(step, child, (value + index * 11) % PRIME, { item: String(index) }).result.v;
      return total % PRIME;
    },
  };
}

/** What is called fails, at each attempt; each attempt has an execution of its own. */
function subFailing(maker, input, onError) {
  const child = chosen(maker, true);
  if (child === null) return call(maker, input, {});
  const [step, handler] = [maker.name('sub'), onError === 'handler' ? maker.name('handler') : null];
  const attempts = maker.random.int(1, 2);
  maker.calls(child, attempts);
  const retry = attempts === 1 ? {} : { retry: { max_attempts: attempts, initial_delay: 0.05, jitter: false } };
  const whenOver = { continue: { on_error: 'continue' }, handler: { on_error: handler }, fail: {} }[onError];
  return {
    entry: step,
    steps: (next) => [
      { step, type: 'playbook', ...address(maker, child), data: { n: template(input), blob: '' }, ...retry, ...whenOver, next },
      ...(handler === null ? [] : [{ step: handler, data: { v: template(`(${input} + 7) % ${PRIME}`) }, next }]),
    ],
    output: handler === null ? input : `${handler}.v`,
    predict: (run, value) => {
      for (let attempt = 1; attempt <= attempts; attempt++) run.child(step, child, value, { item: attempt === 1 ? null : `#${attempt}` });
      if (onError === 'fail') return run.fail(step);
      return handler === null ? value : (value + 7) % PRIME;
    },
  };
}
