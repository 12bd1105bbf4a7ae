import { compilePlaybook, type CompiledPlaybook } from '../../src/engine/playbook/compile.js';
import { type Step, type NextEntry } from '../../src/engine/playbook/playbook.js';
import { type StepKinds } from '../../src/engine/step-executor.js';
import { aStep, anAction, to } from '../../src/engine/testing/playbook-builder.js';
import { type JsonObject } from '../../src/engine/values.js';
import { type ActBlock, type Block, type Program } from './scenario.js';

/** Seconds after which a hanging attempt is given up. */
const TIMEOUT_S = 1.5;

/** The playbook of a program, compiled for the simulated step types. */
export function compileProgram(program: Program, kinds: StepKinds): CompiledPlaybook {
  const steps: Step[] = [];
  const first = emit(program.body, 'end', steps);
  const values = Object.fromEntries([...predict(program).values].map(([name]) => [name, `{{ ${name}.round }}`]));
  const end = aStep('end', program.hasEnd ? { data: values } : {});
  const workflow = [aStep('start', { next: to(first) }), ...steps, end].map((step, index): Step => ({
    ...step,
    role: index === 0 ? 'entry' : step.name === 'end' ? 'terminal' : 'inner',
  }));
  return compilePlaybook(
    {
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'simulated', path: 'simulated', version: null, description: null, extra: {} },
      workload: {},
      workbook: [],
      workflow,
      credentials: null,
      keychain: null,
      exposed: {},
    },
    kinds,
  );
}

/** Writes the steps of a block that goes on at `next`; returns where it begins. */
function emit(block: Block, next: string, steps: Step[]): string {
  switch (block.kind) {
    case 'act':
      steps.push(actStep(block, to(next)));
      if (block.onError === 'handler') steps.push(aStep(`${block.name}_handler`, { next: to(next) }));
      return block.name;
    case 'wait':
      steps.push(aStep(block.name, { action: anAction({ type: 'wait', fields: { duration: block.seconds } }), next: to(next) }));
      return block.name;
    case 'wait_for':
      steps.push(
        aStep(block.name, {
          action: anAction({ type: 'wait_for', fields: { name: block.name }, timeout: block.seconds }),
          onTimeout: { step: next, data: {} },
          next: to(next),
        }),
      );
      return block.name;
    case 'seq':
      return block.blocks.reduceRight((after, each) => emit(each, after, steps), next);
    case 'fork':
    case 'choice': {
      const join = `${block.name}_join`;
      const entries = block.branches.map((branch) => emit(branch, join, steps));
      const routes =
        block.kind === 'fork'
          ? to(...entries)
          : [
              ...entries.map((step, at): NextEntry => ({
                kind: 'when',
                when: block.flags[at] ? '{{ 1 == 1 }}' : '{{ 1 == 2 }}',
                then: [{ step, data: {} }],
                else: [],
              })),
              { kind: 'else' as const, then: [{ step: join, data: {} }] },
            ];
      steps.push(aStep(block.name, { next: routes }), aStep(join, { next: to(next) }));
      return block.name;
    }
    case 'loop': {
      const body = emit(block.body, block.name, steps);
      const again: NextEntry = {
        kind: 'when',
        when: `{{ ${block.name}.round % ${block.times} != 0 }}`,
        then: [{ step: body, data: {} }],
        else: [{ step: next, data: {} }],
      };
      steps.push(aStep(block.name, { action: anAction({ type: 'calc', fields: { ms: 0, fails: 0 } }), next: [again] }));
      return body;
    }
  }
}

function actStep(block: ActBlock, next: NextEntry[]): Step {
  const { name, effect, ms, hangs, attempts, delay, onError, obeys, kills } = block;
  const fails = block.fails === 'always' ? 1_000_000 : block.fails;
  const fields: JsonObject = { ms, fails, hangs, obeys, kills };
  return aStep(name, {
    action: anAction({
      type: effect ? 'act' : 'calc',
      fields,
      timeout: hangs ? TIMEOUT_S : null,
      retry:
        attempts === 1
          ? null
          : {
              maxAttempts: attempts,
              initialDelay: delay,
              backoffMultiplier: 1,
              maxDelay: 60,
              jitter: true,
              retryWhen: null,
              stopWhen: null,
              retryOn: null,
              onSuccess: null,
            },
    }),
    onError: onError === 'handler' ? { kind: 'goto', target: { step: `${name}_handler`, data: {} } } : { kind: onError },
    next,
  });
}

/** What must become of a run that nobody cancels, told without the engine. */
export interface Prediction {
  readonly status: 'completed' | 'failed';
  /** True where the process that performs it dies every time: then it ends as poison. */
  readonly poison: boolean;
  /** Round of each acting step that ends well for certain, where the run completes. */
  readonly values: ReadonlyMap<string, number>;
  /** Firings of effect steps by `step#wave`: how many attempts, and whether each must be seen. */
  readonly effects: ReadonlyMap<string, { readonly attempts: number; readonly must: boolean }>;
}

export function predict(program: Program): Prediction {
  const walk = new Walk();
  const ends = walk.block(program.body, true);
  const values = new Map([...walk.waves].filter(([name]) => walk.succeeded.has(name)));
  return { status: ends ? 'completed' : 'failed', poison: walk.poison, values, effects: walk.effects };
}

class Walk {
  readonly waves = new Map<string, number>();
  readonly succeeded = new Set<string>();
  readonly effects = new Map<string, { attempts: number; must: boolean }>();
  poison = false;

  /** @param must whether it is certain to be reached. @returns whether the run goes on behind it */
  block(block: Block, must: boolean): boolean {
    switch (block.kind) {
      case 'act':
        return this.act(block, must);
      case 'wait':
      case 'wait_for':
        return true;
      case 'seq':
        return block.blocks.every((each) => this.block(each, must));
      case 'fork':
        return this.parallel(block.branches, must);
      case 'choice':
        return this.parallel(
          block.branches.filter((_, at) => block.flags[at]),
          must,
        );
      case 'loop':
        for (let round = 0; round < block.times; round++) {
          if (!this.block(block.body, must)) return false;
          this.waves.set(block.name, (this.waves.get(block.name) ?? 0) + 1);
          this.succeeded.add(block.name);
        }
        return true;
    }
  }

  /** A branch that ends the run may keep the others from anything they have not done yet. */
  private parallel(branches: readonly Block[], must: boolean): boolean {
    const ending = branches.filter((branch) => isEnding(branch));
    let goesOn = true;
    for (const branch of branches) {
      const certain = must && (ending.length === 0 || (ending.length === 1 && ending[0] === branch));
      if (!this.block(branch, certain)) goesOn = false;
    }
    return goesOn;
  }

  private act(block: ActBlock, must: boolean): boolean {
    const wave = (this.waves.get(block.name) ?? 0) + 1;
    this.waves.set(block.name, wave);
    const fails = block.kills || block.fails === 'always' || block.fails >= block.attempts;
    const attempts = fails ? block.attempts : (block.fails as number) + 1;
    if (block.kills) this.poison = true;
    if (block.effect) this.effects.set(`${block.name}#${wave}`, { attempts, must });
    if (!fails) this.succeeded.add(block.name);
    return block.kills ? false : !fails || block.onError !== 'fail';
  }
}

const isEnding = (block: Block): boolean => !new Walk().block(block, true);
