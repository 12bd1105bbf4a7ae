import { effectValue, PRIME } from '../arithmetic.mjs';
import { body, call, http, template } from '../steps.mjs';

/** Saves: to the world, where each is an effect of its own, to the execution itself, and to a table. */
export const SAVE_BLOCKS = {
  saved: { weight: 2, make: saved },
  save_step: { weight: 1, make: saveStep },
  save_of_router: { weight: 1, make: saveOfRouter },
  save_absorbed: { weight: 1, make: (maker, input) => unsaved(maker, input, 'continue') },
  save_of_failure: { weight: 1, make: saveOfFailure },
  upsert: { weight: 1, make: upsert },
};

export const LAST_SAVE_BLOCKS = {
  save_fatal: { weight: 1, make: (maker, input) => unsaved(maker, input, 'fail') },
};

const toWorld = (maker, step, input, behaviour, more = {}) => ({
  storage: 'http',
  endpoint: `${maker.effectUrl}/do`,
  data: body(step, input, behaviour),
  ...more,
});

/** One call and all kinds of saves after it: of its value to the world, of it to a variable and to the event log, and to the world again. */
function saved(maker, input) {
  const step = maker.name('saved');
  const variable = maker.name('variable');
  const save = [
    toWorld(maker, step, 'result.data.v'),
    { storage: 'variables', name: variable, data: { v: template(`(result.data.v + 5) % ${PRIME}`) } },
    { storage: 'event_log', data: { noted: template('result.data.v') } },
    toWorld(maker, step, input),
  ];
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, {}, { save, next })],
    output: `${variable}.v`,
    predict: (run, value) => {
      const v = run.effect(step, value);
      run.effect(step, v, { part: 's0' });
      run.effect(step, value, { part: 's3' });
      run.saves.set(`${step}/1`, [
        { storage: 'http', status: 'success' },
        { storage: 'variables', status: 'success', data: { v: (v + 5) % PRIME } },
        { storage: 'event_log', status: 'success', data: { noted: v } },
        { storage: 'http', status: 'success' },
      ]);
      return (v + 5) % PRIME;
    },
  };
}

function saveStep(maker, input) {
  const step = maker.name('save');
  return {
    entry: step,
    steps: (next) => [{ step, type: 'save', ...toWorld(maker, step, input), next }],
    output: `(${step}.result.input + ${step}.result.status_code) % ${PRIME}`,
    predict: (run, value) => {
      run.effect(step, value, { part: 's0' });
      run.saves.set(`${step}/1`, [{ storage: 'http', status: 'success' }]);
      return (value + 200) % PRIME;
    },
  };
}

function saveOfRouter(maker, input) {
  const step = maker.name('noted');
  return {
    entry: step,
    steps: (next) => [{ step, data: { v: template(`(${input} + 3) % ${PRIME}`) }, save: toWorld(maker, step, input), next }],
    output: `${step}.v`,
    predict: (run, value) => {
      run.effect(step, value, { part: 's0' });
      return (value + 3) % PRIME;
    },
  };
}

/** The call goes well, its save does not. */
function unsaved(maker, input, onError) {
  const step = maker.name('unsaved');
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, {}, { save: toWorld(maker, step, input, { always: true }, { on_error: onError }), next })],
    output: `${step}.data.v`,
    predict: (run, value) => {
      run.effect(step, value);
      run.effect(step, value, { part: 's0' });
      if (onError === 'fail') return run.fail(step);
      run.saves.set(`${step}/1`, [{ storage: 'http', status: 'error' }]);
      return effectValue(step, value);
    },
  };
}

/** The call fails, which is absorbed, and only what is to be saved of a failure is. */
function saveOfFailure(maker, input) {
  const step = maker.name('mourned');
  const save = [toWorld(maker, step, input, {}, { on: 'success' }), toWorld(maker, step, input, {}, { on: 'error' })];
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, { always: true }, { on_error: 'continue', save, next })],
    output: input,
    predict: (run, value) => {
      run.effect(step, value);
      run.effect(step, value, { part: 's1' });
      return value;
    },
  };
}

/** A row of its own in the ledger, however often the save runs. */
function upsert(maker, input) {
  if (maker.ledger === null) return call(maker, input, {});
  const step = maker.name('upsert');
  const { hostname, port, username, password, pathname } = new URL(maker.ledger.url);
  const save = {
    storage: 'postgres',
    table: maker.ledger.table,
    mode: 'upsert',
    key: ['execution', 'step'],
    data: { execution: '{{ execution_id }}', step, v: template(input) },
    spec: {
      db_host: hostname,
      db_port: Number(port),
      db_user: decodeURIComponent(username),
      db_password: decodeURIComponent(password),
      db_name: pathname.slice(1),
      sslmode: 'disable',
    },
  };
  return {
    entry: step,
    steps: (next) => [{ step, type: 'save', ...save, next }],
    output: input,
    predict: (run, value) => {
      run.rows.set(step, value);
      return value;
    },
  };
}
