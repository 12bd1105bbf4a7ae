import { PRIME } from '../arithmetic.mjs';
import { action, http } from '../steps.mjs';

/** Steps that say how they are undone. Where nothing fails and nobody cancels, they are calls like any other. */
export const SAGA_BLOCKS = {
  saga: { weight: 3, make: (maker, input) => saga(maker, input, false) },
};

export const LAST_SAGA_BLOCKS = {
  saga_fatal: { weight: 3, make: (maker, input) => saga(maker, input, true) },
};

/** Two or three calls, each with a call that undoes it; then, perhaps, one that fails the execution. */
function saga(maker, input, isFatal) {
  const { random } = maker;
  const count = random.int(2, 3);
  const acts = [];
  for (let at = 0, before = input; at < count; at++) {
    const step = maker.name('saga');
    acts.push({ step, input: before, slow: random.chance(0.3) ? random.int(100, 900) : 0, undo: undoOf(random) });
    before = `${step}.data.v`;
  }
  const last = acts.at(-1);
  const broken = isFatal ? maker.name('fatal') : null;
  // What fails may have happened all the same: it is undone, too.
  const covers = isFatal && random.chance(0.5) ? 'started' : null;
  return {
    entry: acts[0].step,
    steps: (next) => [
      ...acts.map(({ step, input: given, slow, undo }, at) =>
        http(maker, step, given, slow > 0 ? { slow } : {}, {
          compensate: { ...action(maker, step, `(result.data.v + 13) % ${PRIME}`, undo.behaviour), ...undo.retry },
          next: acts[at + 1]?.step ?? broken ?? next,
        }),
      ),
      ...(broken === null
        ? []
        : [
            http(
              maker,
              broken,
              `${last.step}.data.v`,
              { always: true },
              {
                ...(covers === null ? {} : { compensate: { ...action(maker, broken, `${last.step}.data.v + 1`, {}), covers } }),
                next,
              },
            ),
          ]),
    ],
    output: `${last.step}.data.v`,
    predict: (run, value) => {
      let reached = value;
      for (const { step, undo } of acts) {
        reached = run.effect(step, reached);
        run.undo(step, (reached + 13) % PRIME, undo);
      }
      if (broken === null) return reached;
      run.effect(broken, reached);
      if (covers !== null) run.undo(broken, reached + 1, { covers });
      return run.fail(broken);
    },
  };
}

/** It goes well at once, at the second attempt, or never; the reply of one may be lost. */
function undoOf(random) {
  const retry = { retry: { max_attempts: 2, initial_delay: 0.1, backoff_multiplier: 1, jitter: false } };
  if (random.chance(0.5)) return { behaviour: {}, retry: {}, attempts: 1 };
  const further = { retry, attempts: 2, delayMs: 100 };
  if (random.chance(0.3)) return { ...further, behaviour: { always: true }, fails: true };
  return { ...further, behaviour: random.chance(0.5) ? { drop: 1 } : { fail: 1 } };
}
