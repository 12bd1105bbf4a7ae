import { PRIME } from '../arithmetic.mjs';
import { template } from '../steps.mjs';

/** Pieces that wait for people: approved by one or two, rejected, decided by nobody. */
export const APPROVAL_BLOCKS = {
  approval: { weight: 2, make: (maker, input) => approval(maker, input, maker.random.int(1, 2)) },
  refusal: { weight: 1, make: refusal },
  overdue: { weight: 1, make: overdue },
};

/** Nobody is authenticated where the checker runs: anybody may decide, and each decision counts. */
const asking = (step, more) => ({ step, type: 'approval', title: step, approvers: { subjects: ['a', 'b'] }, ...more });

/** Hands on what clients fill in. */
function approval(maker, input, quorum) {
  const step = maker.name('approval');
  const form = { type: 'object', required: ['v'], properties: { v: { type: 'integer' } } };
  return {
    entry: step,
    steps: (next) => [asking(step, { quorum, form, data: { about: template(input) }, next })],
    output: `((${input}) + ${step}.data.v) % ${PRIME}`,
    predict: (run, value) => (value + run.approval(step)) % PRIME,
  };
}

/** Is rejected, and handled. */
function refusal(maker, input) {
  const [step, handler] = [maker.name('refusal'), maker.name('refused')];
  return {
    entry: step,
    steps: (next) => [
      asking(step, { on_error: handler, next }),
      { step: handler, data: { v: template(`(${input} + 11) % ${PRIME}`) }, next },
    ],
    output: `${handler}.v`,
    predict: (run, value) => {
      run.approval(step);
      return (value + 11) % PRIME;
    },
  };
}

/** Nobody decides it. */
function overdue(maker, input) {
  const [step, late] = [maker.name('overdue'), maker.name('late')];
  const seconds = maker.random.pick([1, 7]);
  return {
    entry: step,
    steps: (next) => [
      asking(step, { expires_in: seconds, on_timeout: late, next }),
      { step: late, data: { v: template(`(${input} + 13) % ${PRIME}`) }, next },
    ],
    output: `${late}.v`,
    predict: (run, value) => {
      run.approval(step);
      return (value + 13) % PRIME;
    },
  };
}
