import { compilePlaybook } from '../../src/engine/playbook/compile.js';
import { type CompiledPlaybook } from '../../src/engine/playbook/compiled.js';
import { type Action, NO_CONTRACT, type Retry, type Save, type Step, type NextEntry } from '../../src/engine/playbook/playbook.js';
import { type StepKinds } from '../../src/engine/step-executor.js';
import { aStep, anAction, to } from '../../src/engine/testing/playbook-builder.js';
import { type Json, type JsonObject } from '../../src/engine/values.js';
import { pathOfProgram } from './child-runs.js';
import {
  APPROVERS,
  type ActBlock,
  type Block,
  type CallBlock,
  type IterateBlock,
  type Program,
  type SavePlan,
  type SayBlock,
  type UndoPlan,
} from './scenario.js';

/** Seconds after which a hanging attempt is given up. */
const TIMEOUT_S = 1.5;
const ALWAYS = 1_000_000;

/** The playbook of a program, compiled for the simulated step types. */
export function compileProgram(program: Program, kinds: StepKinds, programs: readonly Program[]): CompiledPlaybook {
  const steps: Step[] = [];
  const first = emit(program.body, 'end', steps);
  const values = Object.fromEntries(
    [...predict(program, programs).values].map(([name, value]) => [
      name,
      typeof value === 'number' ? `{{ ${name}.round }}` : `{{ ${name} }}`,
    ]),
  );
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
      contract: NO_CONTRACT,
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
    case 'iterate':
      steps.push(iterateStep(block, to(next)));
      if (block.onError === 'handler') steps.push(aStep(`${block.name}_handler`, { next: to(next) }));
      return block.name;
    case 'call':
      steps.push(callStep(block, to(next)));
      if (block.onError === 'handler') steps.push(aStep(`${block.name}_handler`, { next: to(next) }));
      return block.name;
    case 'say':
      steps.push(sayStep(block, to(next)));
      if (block.onError === 'handler') steps.push(aStep(`${block.name}_handler`, { next: to(next) }));
      return block.name;
    case 'wait':
      steps.push(aStep(block.name, { action: anAction({ type: 'wait', fields: { duration: block.seconds } }), next: to(next) }));
      return block.name;
    case 'wait_for':
      steps.push(
        aStep(block.name, {
          action: anAction({
            ...(block.asks
              ? { type: 'input', fields: { requests: { where: { method: 'roots/list' } } } }
              : { type: 'wait_for', fields: { name: block.name } }),
            timeout: block.seconds,
          }),
          onTimeout: { step: next, data: {} },
          next: to(next),
        }),
      );
      return block.name;
    case 'approval':
      steps.push(approvalStep(block, next), aStep(`${block.name}_handler`, { next: to(next) }));
      return block.name;
    case 'seq':
      return block.blocks.reduceRight((after, each) => emit(each, after, steps), next);
    case 'fork':
    case 'race':
    case 'choice': {
      const join = `${block.name}_join`;
      const entries = block.branches.map((branch) => emit(branch, join, steps));
      const routes =
        block.kind !== 'choice'
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
      steps.push(
        aStep(block.name, { next: routes }),
        aStep(join, { next: to(next), ...(block.kind === 'race' ? { join: block.count } : {}) }),
      );
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
  const { name, effect, ms, hangs, attempts, delay, obeys, kills } = block;
  const fails = block.fails === 'always' ? ALWAYS : block.fails;
  const fields: JsonObject = { ms, fails, hangs, obeys, kills };
  return aStep(name, {
    action: anAction({
      type: effect ? 'act' : 'calc',
      fields,
      timeout: hangs ? TIMEOUT_S : null,
      retry: retryOf(attempts, delay),
      save: (block.saves ?? []).map((save, at) => saveOf(save, `s${at}`)),
    }),
    onError: onErrorOf(block),
    next,
    ...(block.undo ? { compensate: { action: undoAction(block.undo), covers: block.undo.covers } } : {}),
  });
}

function approvalStep({ name, seconds, quorum }: Extract<Block, { kind: 'approval' }>, next: string): Step {
  const fields: JsonObject = { title: name, approvers: { subjects: [...APPROVERS] }, quorum, expires_in: seconds };
  return aStep(name, {
    action: anAction({ type: 'approval', fields }),
    onTimeout: { step: next, data: {} },
    onError: { kind: 'goto', target: { step: `${name}_handler`, data: {} } },
    next: to(next),
  });
}

function undoAction({ program, ms, fails, attempts, delay }: UndoPlan): Action {
  if (program !== null) return anAction({ type: 'playbook', fields: { path: pathOfProgram(program) } });
  const fields = { ms, fails: fails === 'always' ? ALWAYS : fails, hangs: false, obeys: true, kills: false };
  return anAction({ type: 'act', fields, retry: retryOf(attempts, delay) });
}

const SAYING: Readonly<Record<SayBlock['word'], JsonObject>> = {
  progress: { progress: 1, total: 2 },
  log: { message: '{{ execution_id }}' },
  fail: { message: 'as it was told to', code: 'told_to' },
};

function sayStep(block: SayBlock, next: NextEntry[]): Step {
  return aStep(block.name, { action: anAction({ type: block.word, fields: SAYING[block.word] }), onError: onErrorOf(block), next });
}

function iterateStep(block: IterateBlock, next: NextEntry[]): Step {
  const { name, items, inner } = block;
  const iterator = (collection: Json, element: string, task: Action): Action =>
    anAction({
      type: 'iterator',
      fields: {
        collection,
        element,
        mode: block.concurrency === 1 ? 'sequential' : 'async',
        concurrency: block.concurrency,
        on_error: block.onItem,
        spelling: 'iterator',
      },
      tasks: [task],
    });
  const task = (element: string): Action =>
    anAction({
      type: block.effect ? 'act' : 'calc',
      fields: { ms: block.ms, fails: block.fails, obeys: block.obeys, failing: failingParts(block) },
      data: { part: `{{ ${element} }}` },
      retry: retryOf(block.attempts, block.delay),
      save: block.saves.map((save, at) => saveOf(save, `{{ ${element} }}/s${at}`)),
    });
  const ownItems = Array.from({ length: inner }, (_, at) => `{{ item }}/${at}`);
  const each = inner > 0 ? iterator(ownItems, 'sub', task('sub')) : task('item');
  const action = iterator(
    Array.from({ length: items }, (_, at) => String(at)),
    'item',
    each,
  );
  return aStep(name, { action: { ...action, timeout: block.timeout ?? null }, onError: onErrorOf(block), next });
}

function callStep(block: CallBlock, next: NextEntry[]): Step {
  const call = anAction({ type: 'playbook', fields: { path: pathOfProgram(block.program) } });
  const fields = {
    collection: Array.from({ length: block.items }, (_, at) => at),
    element: 'item',
    mode: block.concurrency === 1 ? 'sequential' : 'async',
    concurrency: block.concurrency,
    on_error: 'continue',
    spelling: 'iterator',
  };
  const action = block.items === 0 ? call : anAction({ type: 'iterator', fields, tasks: [call] });
  return aStep(block.name, { action: { ...action, timeout: block.timeout ?? null }, onError: onErrorOf(block), next });
}

const failingParts = ({ failing, inner }: IterateBlock): string[] => failing.map((at) => (inner > 0 ? `${at}/0` : String(at)));

const onErrorOf = ({ name, onError }: Pick<ActBlock, 'name' | 'onError'>): Step['onError'] =>
  onError === 'handler' ? { kind: 'goto', target: { step: `${name}_handler`, data: {} } } : { kind: onError };

const retryOf = (attempts: number, delay: number): Retry | null =>
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
      };

const saveOf = ({ on, ms, fails, onError }: SavePlan, part: string): Save => ({
  storage: 'act',
  when: null,
  on,
  name: null,
  data: { part },
  auth: null,
  onError,
  fields: { ms, fails: fails ? ALWAYS : 0 },
});

/** What must become of a run that nobody cancels, told without the engine. */
export interface Prediction {
  readonly status: 'completed' | 'failed';
  /** True where the process that performs it dies every time: then it ends as poison. */
  readonly poison: boolean;
  /** What each acting step leaves that ends well for certain, where the run completes: its round, or what came of its items. */
  readonly values: ReadonlyMap<string, Json>;
  /** Calls of other programs, as `effects`. */
  readonly calls: ReadonlyMap<string, { readonly program: number; readonly must: boolean }>;
  /** What iterators and calls come to, by `step#wave`. */
  readonly loops: ReadonlyMap<string, Json>;
  /** Parts that the world sees, by `step#wave`, or `step#wave/part` below its step: how many attempts, and whether each must be seen. */
  readonly effects: ReadonlyMap<string, { readonly attempts: number; readonly must: boolean }>;
}

/** @param mayBeCut its time may be over before all of it has happened */
export function predict(program: Program, programs: readonly Program[], mayBeCut = false): Prediction {
  const walk = new Walk(programs);
  const ends = walk.block(program.body, !mayBeCut);
  if (!ends) for (const { of, place, must } of walk.undos) of.get(place)!.must = must;
  const values = new Map(
    [...walk.waves].filter(([name]) => walk.succeeded.has(name)).map(([name, wave]) => [name, walk.loops.get(`${name}#${wave}`) ?? wave]),
  );
  return {
    status: ends ? 'completed' : 'failed',
    poison: walk.poison,
    values,
    loops: walk.loops,
    calls: walk.calls,
    effects: walk.effects,
  };
}

class Walk {
  readonly waves = new Map<string, number>();
  succeeded = new Set<string>();
  readonly effects = new Map<string, { attempts: number; must: boolean }>();
  readonly loops = new Map<string, Json>();
  readonly calls = new Map<string, { program: number; must: boolean }>();
  /** What is undone for certain, if the run fails. */
  readonly undos: { readonly of: Map<string, { must: boolean }>; readonly place: string; readonly must: boolean }[] = [];
  poison = false;

  constructor(private readonly programs: readonly Program[]) {}

  /** @param must whether it is certain to be reached. @returns whether the run goes on behind it */
  block(block: Block, must: boolean): boolean {
    switch (block.kind) {
      case 'act':
        return this.act(block, must);
      case 'iterate':
        return this.iterate(block, must);
      case 'call':
        return this.call(block, must);
      case 'say':
        return block.word !== 'fail' || block.onError !== 'fail';
      case 'wait':
      case 'wait_for':
      case 'approval':
        return true;
      case 'seq':
        return block.blocks.every((each) => this.block(each, must));
      case 'fork':
        return this.parallel(block.branches, must);
      case 'race':
        return this.race(block.branches, must && block.count >= block.branches.length);
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
    const ending = branches.filter((branch) => !new Walk(this.programs).block(branch, true));
    let goesOn = true;
    for (const branch of branches) {
      const certain = must && (ending.length === 0 || (ending.length === 1 && ending[0] === branch));
      if (!this.block(branch, certain)) goesOn = false;
    }
    return goesOn;
  }

  /** Who is over in time is chance: what they did may be seen, and nothing reads what they left. */
  private race(branches: readonly Block[], must: boolean): boolean {
    const { succeeded } = this;
    for (const branch of branches) {
      this.succeeded = new Set(succeeded);
      if (!this.block(branch, must)) throw new Error('a branch of a race fails');
    }
    this.succeeded = succeeded;
    return true;
  }

  private act(block: ActBlock, must: boolean): boolean {
    const wave = (this.waves.get(block.name) ?? 0) + 1;
    this.waves.set(block.name, wave);
    const fails = block.kills || block.fails === 'always' || block.fails >= block.attempts;
    const attempts = fails ? block.attempts : (block.fails as number) + 1;
    if (block.kills) this.poison = true;
    if (block.effect) this.effects.set(`${block.name}#${wave}`, { attempts, must });
    const place = `${block.name}#${wave}`;
    const isSaved = block.kills || this.saves(block.saves ?? [], !fails, place, must);
    const succeeds = !fails && isSaved;
    if (succeeds) this.succeeded.add(block.name);
    if (block.undo) this.undo(block.undo, `${block.name}.compensate#${wave}`, must && (succeeds || block.undo.covers === 'started'));
    return block.kills ? false : succeeds || block.onError !== 'fail';
  }

  /** Whether it fails or not, it may be cancelled: then this happens as well. */
  private undo({ program, fails, attempts }: UndoPlan, place: string, must: boolean): void {
    if (program === null) {
      this.effects.set(place, { attempts: fails === 'always' ? attempts : fails + 1, must: false });
      this.undos.push({ of: this.effects, place, must });
    } else {
      this.calls.set(place, { program, must: false });
      this.undos.push({ of: this.calls, place, must });
    }
  }

  /** @returns whether none of them failed that may not */
  private saves(saves: readonly SavePlan[], succeeded: boolean, place: string, must: boolean): boolean {
    for (const [at, { on, fails, onError }] of saves.entries()) {
      if (on !== 'always' && (on === 'success') !== succeeded) continue;
      this.effects.set(`${place}/s${at}`, { attempts: 1, must });
      if (fails && onError === 'fail') return false;
    }
    return true;
  }

  /** What becomes of it is chance: what it does may be seen, and nothing reads what it leaves. */
  private timed(work: (must: false) => unknown, name: string): true {
    work(false);
    this.succeeded.delete(name);
    this.loops.delete(`${name}#${this.waves.get(name)}`);
    return true;
  }

  private call({ timeout, ...block }: CallBlock, must: boolean): boolean {
    if (timeout !== undefined) return this.timed((may) => this.call(block, may), block.name);
    const { name, program, items, onError } = block;
    const wave = (this.waves.get(name) ?? 0) + 1;
    this.waves.set(name, wave);
    const places = items === 0 ? [''] : Array.from({ length: items }, (_, at) => `/${at}`);
    for (const place of places) this.calls.set(`${name}#${wave}${place}`, { program, must });
    const called = predict(this.programs[program]!, this.programs);
    const fails = called.status === 'failed';
    const value = fails ? null : Object.fromEntries(called.values);
    if (fails && items === 0) return onError !== 'fail';
    // A program without values gives what its last steps gave, which the model does not tell.
    if (!fails && called.values.size === 0) return true;
    this.succeeded.add(name);
    this.loops.set(`${name}#${wave}`, items === 0 ? value : places.map(() => value));
    return true;
  }

  private iterate({ timeout, ...block }: IterateBlock, must: boolean): boolean {
    if (timeout !== undefined) return this.timed((may) => this.iterate(block, may), block.name);
    const wave = (this.waves.get(block.name) ?? 0) + 1;
    this.waves.set(block.name, wave);
    const failing = new Set(failingParts(block));
    const act = (part: string, isCertain: boolean): Json | undefined => {
      const fails = failing.has(part);
      const place = `${block.name}#${wave}/${part}`;
      if (block.effect) this.effects.set(place, { attempts: fails ? block.attempts : block.fails + 1, must: isCertain });
      const isSaved = this.saves(block.saves, !fails, place, isCertain);
      return fails || !isSaved ? undefined : { round: wave, part };
    };
    const over = (count: number, isCertain: boolean, each: (at: number, isCertain: boolean) => Json | undefined): Json | undefined => {
      const goesOver = block.onItem === 'continue';
      // Which items are begun before one fails is chance where several are under way.
      const isFixed = goesOver || block.concurrency === 1 || !Array.from({ length: count }, (_, at) => each(at, false)).includes(undefined);
      const values: Json[] = [];
      let isFailed = false;
      for (let at = 0; at < count; at++) {
        const value = each(at, isCertain && isFixed);
        values.push(value ?? null);
        if (value !== undefined || goesOver) continue;
        isFailed = true;
        if (block.concurrency === 1) break;
      }
      return isFailed ? undefined : values;
    };
    const item = (at: number, isCertain: boolean): Json | undefined =>
      block.inner === 0 ? act(String(at), isCertain) : over(block.inner, isCertain, (sub, certain) => act(`${at}/${sub}`, certain));
    const value = over(block.items, must, item);
    if (value === undefined) return block.onError !== 'fail';
    this.succeeded.add(block.name);
    this.loops.set(`${block.name}#${wave}`, value);
    return true;
  }
}
