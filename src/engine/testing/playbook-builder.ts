import { compilePlaybook } from '../playbook/compile.js';
import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type Action, type NextEntry, NO_CONTRACT, type Playbook, type Retry, type Step } from '../playbook/playbook.js';
import { defineStep, type StepKind, type StepKinds } from '../step-executor.js';
import { type JsonObject } from '../values.js';

/** A step type for tests: its request is its inputs, its value is what the simulation says. It stores, too: a save's request is its data. */
export const ACT: StepKind = defineStep({
  kind: 'act',
  effect: true,
  defaultTimeoutSeconds: 30,
  parse: () => null,
  render: (_config, inputs) => inputs,
  execute: (request) => Promise.resolve({ value: request }),
  save: { parse: () => null, render: (_config, data) => data, outcome: () => ({}) },
});
export const TEST_KINDS: StepKinds = new Map([['act', ACT]]);

/** Three attempts, the second after 1 s, the third after 2 s. */
export const aRetry = (overrides: Partial<Retry> = {}): Retry => ({
  maxAttempts: 3,
  initialDelay: 1,
  backoffMultiplier: 2,
  maxDelay: 60,
  jitter: false,
  retryWhen: null,
  stopWhen: null,
  retryOn: null,
  onSuccess: null,
  ...overrides,
});

export const anAction = (overrides: Partial<Action> = {}): Action => ({
  type: 'act',
  fields: {},
  data: {},
  save: [],
  assert: null,
  auth: null,
  retry: null,
  timeout: null,
  tasks: [],
  ...overrides,
});

export const aStep = (name: string, overrides: Partial<Step> = {}): Step => ({
  name,
  role: 'inner',
  line: 1,
  action: null,
  data: {},
  save: [],
  next: [],
  onError: { kind: 'fail' },
  onTimeout: null,
  pass: null,
  when: null,
  vars: {},
  result: null,
  hasResult: false,
  as: null,
  ...overrides,
});

/** Plain edges to all of these, taken in parallel. */
export const to = (...steps: string[]): NextEntry[] => steps.map((step) => ({ kind: 'plain', then: [{ step, data: {} }] }));
export const when = (condition: string, step: string, data: JsonObject = {}): NextEntry => ({
  kind: 'when',
  when: condition,
  then: [{ step, data }],
  else: [],
});

/** A compiled playbook of these steps; the first is the entry, one named `end` the terminal step. */
export function compiled(steps: readonly Step[], workload: JsonObject = {}, overrides: Partial<Playbook> = {}): CompiledPlaybook {
  const workflow = steps.map((step, index): Step => ({
    ...step,
    role: index === 0 ? 'entry' : step.name === 'end' ? 'terminal' : 'inner',
  }));
  return compilePlaybook(
    {
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'test', path: 'test', version: null, description: null, extra: {} },
      contract: NO_CONTRACT,
      workload,
      workbook: [],
      workflow,
      credentials: null,
      keychain: null,
      exposed: {},
      ...overrides,
    },
    TEST_KINDS,
  );
}
