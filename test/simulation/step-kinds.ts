import { defineStep, StepFailure, type StepContext, type StepKinds, type StepResult } from '../../src/engine/step-executor.js';
import { type Json, type JsonObject } from '../../src/engine/values.js';
import { type Mutant } from './mutants.js';

/** What the generator says about an attempt; the step's fields in the playbook. */
export interface Plan {
  readonly ms: number;
  readonly fails: number;
  readonly hangs?: boolean;
  readonly obeys?: boolean;
  readonly kills?: boolean;
  /** Parts that fail every time. */
  readonly failing?: readonly string[];
  /** Path of the part below its step, as the playbook tells it; none: the step's own action. */
  readonly part?: string;
}

/** Performs attempts in virtual time. @param effect false: nobody outside can see it */
export type PerformAttempt = (plan: Plan, context: StepContext, effect: boolean) => Promise<StepResult>;

/** The simulated step types: `act` is seen by the world, `calc` is not. Both do what their plan says. */
export function simulatedKinds(perform: PerformAttempt, mutant: Mutant | null): StepKinds {
  const kind = (name: string, effect: boolean): ReturnType<typeof defineStep> =>
    defineStep<JsonObject, JsonObject>({
      kind: name,
      effect: effect && mutant !== 'effect_before_commit',
      defaultTimeoutSeconds: 0,
      parse: (action) => action.fields,
      render: (fields, inputs) => ({ ...fields, ...inputs }),
      execute: (request, context) => perform(request as unknown as Plan, context, effect),
      save: {
        parse: ({ fields }) => fields,
        render: (fields, data) => ({ ...(fields as JsonObject), ...(data as JsonObject) }),
        outcome: (value: Json) => value as JsonObject,
      },
    }) as unknown as ReturnType<typeof defineStep>;
  return new Map([
    ['act', kind('act', true)],
    ['calc', kind('calc', false)],
  ]);
}

export const failed = (attempt: number): StepFailure => new StepFailure('http_error', `attempt ${attempt} fails`, { statusCode: 503 });
