/** Pieces that blocks are made of. */

export const template = (expression) => `{{ ${expression} }}`;

/** What the effect server is told of a call. @param input template text without braces @param behaviour how it shall answer */
export const body = (step, input, behaviour = {}) => ({ execution: '{{ execution_id }}', step, input: template(input), ...behaviour });

/** An action that calls the effect server, without its step. */
export const action = (maker, step, input, behaviour) => ({
  type: 'http',
  method: 'POST',
  endpoint: `${maker.effectUrl}/do`,
  timeout: 60,
  data: body(step, input, behaviour),
});

/** A step that calls it. */
export const http = (maker, step, input, behaviour, more = {}) => ({ step, ...action(maker, step, input, behaviour), ...more });

/** The block of one call. */
export function call(maker, input, behaviour) {
  const step = maker.name('call');
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, behaviour, { next })],
    output: `${step}.data.v`,
    predict: (run, value) => run.effect(step, value),
  };
}
