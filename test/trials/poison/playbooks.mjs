/** Documents of the trial; `waitSeconds` is long enough for what is stored to be damaged meanwhile. */
export function poisonPlaybooks(effectUrl, waitSeconds) {
  const call = (step, next, more = {}) => ({
    step,
    type: 'http',
    method: 'POST',
    endpoint: `${effectUrl}/do`,
    data: { execution: '{{ execution_id }}', step, input: '{{ workload.n }}', ...more },
    next,
  });
  const hold = { step: 'hold', type: 'wait', duration: waitSeconds, next: 'after' };
  const after = call('after', 'end');
  const end = { step: 'end', result: { v: '{{ after.data.v }}', n: '{{ workload.n }}' } };
  const start = (next) => ({ step: 'start', data: { v: '{{ workload.n }}' }, next });
  return {
    neighbour: [start('before'), call('before', 'hold'), { ...hold, duration: 1 }, after, end],
    parked: [start('before'), call('before', 'hold'), hold, after, end],
    large: [start('before'), call('before', 'hold', { pad: 400 * 1024 }), hold, after, end],
    long: [
      start('tick'),
      {
        step: 'tick',
        data: { i: '{{ (tick.i | default(0)) + 1 }}' },
        next: [{ when: '{{ tick.i < 400 }}', step: 'tick' }, { else: [{ step: 'hold' }] }],
      },
      hold,
      after,
      end,
    ],
  };
}

/** One step that does harm, between a start and an end. */
export const around = (step) => [
  { step: 'start', next: 'bomb' },
  { next: 'end', ...step, step: 'bomb' },
  { step: 'end', result: { v: 1 } },
];

/** The text that is registered. */
export const documentOf = (path, workflow, workload = { n: 0 }) =>
  JSON.stringify({
    apiVersion: 'noetl.io/v1',
    kind: 'Playbook',
    metadata: { name: path.split('/').at(-1), path, version: '1.0.0' },
    workload,
    workflow,
  });
