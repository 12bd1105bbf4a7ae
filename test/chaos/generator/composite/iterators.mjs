import { PRIME } from '../arithmetic.mjs';
import { action, body, template } from '../steps.mjs';

/** Lists, with calls for each item: one after the other and several at once, with items that fail. */
export const ITERATOR_BLOCKS = {
  each: { weight: 2, make: (maker, input) => each(maker, input, { mode: 'sequential' }) },
  each_at_once: { weight: 2, make: (maker, input) => each(maker, input, { mode: 'async' }) },
  each_retried: { weight: 1, make: (maker, input) => each(maker, input, { mode: modeOf(maker), retried: true }) },
  each_saved: { weight: 1, make: (maker, input) => each(maker, input, { mode: modeOf(maker), saved: true }) },
  each_in_two: { weight: 1, make: (maker, input) => each(maker, input, { mode: modeOf(maker), inTwo: true }) },
  each_continued: { weight: 1, make: (maker, input) => each(maker, input, { mode: modeOf(maker), onError: 'continue' }) },
  each_handled: { weight: 1, make: (maker, input) => each(maker, input, { mode: modeOf(maker), onError: 'handler' }) },
  nested: { weight: 1, make: nested },
  /** More items than one event tells of at once in a turn, and slow ones: a kill meets it in its midst. */
  many: { weight: 0, make: (maker, input) => each(maker, input, { mode: 'async', count: 60, slow: 150 }) },
};

export const LAST_ITERATOR_BLOCKS = {
  each_fatal: { weight: 1, make: (maker, input) => each(maker, input, { mode: modeOf(maker), onError: 'fail' }) },
};

const modeOf = (maker) => maker.random.pick(['sequential', 'async']);

/**
 * `onError`: one item fails for good, and then: the others go on (`continue`), a step takes over (`handler`), the execution fails (`fail`).
 * `retried`: every second item fails at first. `saved`: each item is followed by a save of its own. `inTwo`: each item has two tasks, of which the second
 * sees what the first came to.
 */
function each(maker, input, { mode, count = maker.random.int(2, 5), slow, onError, retried = false, saved = false, inTwo = false }) {
  const step = maker.name('each');
  const handler = onError === 'handler' ? maker.name('handler') : null;
  const bad = onError === undefined ? -1 : maker.random.int(0, count - 1);
  const some = onError === undefined && maker.random.chance(0.3);
  const behaviour = {
    ...(slow === undefined ? {} : { slow }),
    ...(bad < 0 ? {} : { always: template(`_loop.index == ${bad}`) }),
    ...(retried ? { fail: template('_loop.index % 2') } : {}),
  };
  const task = {
    ...action(maker, step, 'x', behaviour),
    ...(retried ? { retry: { max_attempts: 2, initial_delay: 0.05, jitter: false } } : {}),
    ...(saved ? { save: { storage: 'http', endpoint: `${maker.effectUrl}/do`, data: body(step, `(x + 1) % ${PRIME}`) } } : {}),
  };
  const iterator = {
    collection: Array.from({ length: count }, (_, index) => template(`(${input} + ${index * 7}) % ${PRIME}`)),
    element: 'x',
    mode,
    ...(mode === 'async' ? { concurrency: maker.random.int(2, 4) } : {}),
    ...(some ? { where: template('x % 3 != 0') } : {}),
  };
  const isLoop = !inTwo && onError === undefined && maker.random.chance(0.3);
  const tasks = inTwo ? [task, action(maker, step, 'result.data.v', {})] : task;
  const own = isLoop ? { ...task, loop: iterator } : { type: 'iterator', ...iterator, task: tasks };
  const sum = `(${step}.results | select | sum(attribute='data.v')) % ${PRIME}`;
  const whenOver = { continue: { on_error: 'continue' }, handler: { on_error: handler } }[onError] ?? {};
  return {
    entry: step,
    steps: (next) => [
      { step, ...own, ...whenOver, next },
      ...(handler === null ? [] : [{ step: handler, data: { v: template(`(${input} + 7) % ${PRIME}`) }, next }]),
    ],
    output: handler === null ? (onError === 'continue' ? `(${sum} + ${step}.errors | length) % ${PRIME}` : sum) : `${handler}.v`,
    predict: (run, value) => {
      const items = Array.from({ length: count }, (_, index) => (value + index * 7) % PRIME).filter((x) => !some || x % 3 !== 0);
      const stops = onError === 'handler' || onError === 'fail';
      let total = 0;
      for (const [index, x] of items.entries()) {
        // Of what runs at the same time as the item that ends it all, any part may have begun, before it was known or again after a crash.
        if (stops && index > bad && mode === 'sequential') break;
        const must = !stops || mode === 'sequential' || index === bad;
        const attempts = retried && index % 2 === 1 ? 2 : 1;
        const part = String(index);
        let v = run.effect(step, x, { part: inTwo ? `${part}/t0` : part, attempts, delayMs: 50, must });
        if (inTwo) v = run.effect(step, v, { part: `${part}/t1` });
        if (saved) run.effect(step, (x + 1) % PRIME, { part: `${part}/s0` });
        if (index !== bad) total += v;
      }
      if (onError === 'fail') return run.fail(step, bad);
      if (onError === 'handler') return (value + 7) % PRIME;
      return onError === 'continue' ? ((total % PRIME) + 1) % PRIME : total % PRIME;
    },
  };
}

/** A list in a list. */
function nested(maker, input) {
  const step = maker.name('nested');
  const [outer, inner] = [maker.random.int(2, 3), maker.random.int(2, 3)];
  const [around, within] = [modeOf(maker), modeOf(maker)];
  const values = Array.from({ length: outer }, (_, i) => Array.from({ length: inner }, (_, j) => `${step}[${i}][${j}].data.v`)).flat();
  return {
    entry: step,
    steps: (next) => [
      {
        step,
        type: 'iterator',
        collection: Array.from({ length: outer }, (_, index) => template(`(${input} + ${index}) % ${PRIME}`)),
        element: 'x',
        mode: around,
        task: {
          type: 'iterator',
          collection: Array.from({ length: inner }, (_, index) => template(`(x + ${index * 100}) % ${PRIME}`)),
          element: 'y',
          mode: within,
          task: action(maker, step, 'y', {}),
        },
        next,
      },
    ],
    output: `(${values.join(' + ')}) % ${PRIME}`,
    predict: (run, value) => {
      let total = 0;
      for (let i = 0; i < outer; i++)
        for (let j = 0; j < inner; j++) total += run.effect(step, (((value + i) % PRIME) + j * 100) % PRIME, { part: `${i}/${j}` });
      return total % PRIME;
    },
  };
}
