import { type CompiledPlaybook, type CompiledStep, iterates, valueAliasesOf } from '../playbook/compiled.js';
import { isWrittenOut } from '../playbook/playbook.js';
import { type SecretScope } from '../auth/secret-scope.js';
import { type ValueAliases } from '../step-executor.js';
import { itemOf, settled } from '../template/access.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { StepReference } from '../template/step-reference.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { type NewRun } from '../ports.js';
import { type SaveOutcome } from './events.js';
import { type RunState } from './run-state.js';
import { publishedBy } from './saves.js';
import { workloadOnUse } from './workload.js';

/** What stays the same for all renders of one run. */
export interface RunFacts {
  readonly executionId: string;
  readonly parameters: JsonObject;
  readonly metadata: JsonObject;
  /** Environment names the operator allows. */
  readonly env: Readonly<Record<string, string>>;
  /** Epoch ms before which nothing fires; null = at once. */
  readonly startAt: number | null;
  /** Epoch ms at which the run fails, whatever it does; null = never. */
  readonly timeoutAt: number | null;
  /** Who starts it, first; then who started the executions it is made from. Left out where nobody is authenticated. */
  readonly requesters?: readonly string[];
  /** True where values may hold what `secrets` steps leave: there are such steps, or somebody who has them started it. */
  readonly mayHoldSecrets?: boolean;
}

/** @param env what the operator allows templates to see of the environment */
export function factsOf(
  run: NewRun,
  playbook: CompiledPlaybook,
  env: RunFacts['env'],
  requesters: RunFacts['requesters'] = run.requesters ?? [],
): RunFacts {
  return {
    requesters,
    executionId: run.id,
    parameters: run.parameters,
    metadata: run.metadata,
    env,
    startAt: run.startAt,
    timeoutAt: run.timeoutAt,
    mayHoldSecrets: playbook.fetchesSecrets || run.parentStep !== null,
  };
}

/** What only the step being rendered sees. */
export interface StepView {
  /** Its inputs: edge data under its own rendered data. */
  readonly inputs: JsonObject;
  /** Its outcome, once there is one: `result`, `this`, its own name and aliases. */
  readonly outcome?: StepOutcomeView;
  /** Failure that led to it, or its own while retry conditions are evaluated. */
  readonly error?: Json;
  /** Names of the moment: attempt, success, status_code, data … of retry conditions. They win over inputs. */
  readonly moment?: Readonly<Record<string, unknown>>;
  /** Of what undoes a firing: names of what that one was given and came to. They win over inputs. */
  readonly undone?: Readonly<Record<string, unknown>>;
  /** Variables this step has just extracted; seen by its saves and edges. */
  readonly vars?: JsonObject;
  /** Variables that its saves have just published; seen by its edges. */
  readonly published?: JsonObject;
  /** What the templates of its action see of secrets; nothing else sees any. */
  readonly secrets?: SecretScope;
  /** True while the data of a save is rendered: there `data` has the inputs behind the value. */
  readonly isSaveData?: boolean;
}
export interface StepOutcomeView {
  readonly names: readonly string[];
  readonly value: Json;
  readonly status: 'success' | 'error' | 'skipped';
  readonly error: string | null;
  readonly meta: Json;
  readonly valueAliases: ValueAliases | undefined;
  /** True where the step is an iterator. */
  readonly iterates?: boolean;
}

/** The names a template sees (playbook language §3), later layers shadowing earlier ones: workload keys, steps, inputs, reserved. */
export class RunScope implements Scope {
  private workloadOnUse: TemplateReference | undefined;

  constructor(
    private readonly playbook: CompiledPlaybook,
    private readonly state: RunState,
    private readonly facts: RunFacts,
    private readonly view: StepView,
  ) {}

  /** What its edges see once these saves of the step are done. */
  afterSaves(saves: readonly SaveOutcome[]): RunScope {
    const { playbook, state, facts, view } = this;
    return new RunScope(playbook, state, facts, { ...view, published: publishedBy(saves) });
  }

  /** What the data of a save sees. */
  forSaveData(): RunScope {
    const { playbook, state, facts, view } = this;
    return new RunScope(playbook, state, facts, { ...view, isSaveData: true });
  }

  lookup(name: string, rendering?: Rendering): unknown {
    switch (name) {
      case 'workload':
      case 'work':
        return this.workload(rendering);
      case 'execution_id':
        return this.facts.executionId;
      case 'job':
        return { id: this.facts.executionId, uuid: this.facts.executionId, execution_id: this.facts.executionId };
      case 'context':
        return { workload: settled(this.workload(rendering)), execution_id: this.facts.executionId };
      case 'steps':
        return new StepsReference(
          (step) => this.settledReference(step),
          () => this.settledValues(),
        );
      case 'vars':
        return this.view.vars ? { ...this.state.vars, ...this.view.vars } : this.state.vars;
      case 'env':
        return this.facts.env;
      case 'parameters':
        return this.facts.parameters;
      case 'arguments':
        // What a tool is called with; in a playbook or workflow it is a name like any other.
        return isWrittenOut(this.playbook.playbook.kind) ? this.named(name, rendering) : this.state.workload;
      case 'metadata':
        return this.facts.metadata;
      case 'this':
        return this.view.outcome && new EnvelopeReference(this.facts.executionId, this.view.outcome);
      case 'error':
        return this.view.error ?? null;
      case 'auth':
      case 'keychain':
      case 'secret':
      case 'credentials':
        return this.view.secrets ? this.view.secrets.lookup(name, () => this.named(name, rendering)) : this.named(name, rendering);
    }
    return this.named(name, rendering);
  }

  private workload(rendering: Rendering | undefined): JsonObject | TemplateReference {
    const { playbook, state, facts } = this;
    if (!playbook.hasLateWorkload || !rendering) return state.workload;
    return (this.workloadOnUse ??= workloadOnUse(playbook, state.workload, facts.parameters, this, rendering));
  }

  /** What is no reserved name. */
  private named(name: string, rendering: Rendering | undefined): unknown {
    const { moment, inputs, outcome, undone, published, isSaveData } = this.view;
    if (moment && Object.hasOwn(moment, name)) return moment[name];
    const isOutcome = name === 'result' || name === 'data';
    // What passes its inputs through has them as its value: there an input of that name is meant.
    if (isOutcome && outcome && outcome.value !== inputs) {
      const value = referenceTo(outcome);
      return name === 'data' && isSaveData ? new ValueOverInputs(value, inputs) : value;
    }
    if (undone && Object.hasOwn(undone, name)) return undone[name];
    if (Object.hasOwn(inputs, name)) return inputs[name];
    if (isOutcome && outcome) return referenceTo(outcome);
    if (name === 'data') return inputs;
    if (name === 'input') return inputs;
    if (outcome?.names.includes(name)) return referenceTo(outcome);
    if (published && Object.hasOwn(published, name)) return published[name];
    if (Object.hasOwn(this.state.variables, name)) return this.state.variables[name];
    const exposed = own(this.playbook.playbook.exposed, name);
    const found = this.settledReference(name) ?? itemOf(this.workload(rendering), name) ?? exposed;
    // Real documents write the plural too; anything else of that name is meant first.
    return found === undefined && name === 'secrets' ? this.view.secrets?.lookup('secret', () => undefined) : found;
  }

  private settledReference(name: string): StepReference | undefined {
    const step = this.playbook.byName.get(name) ?? this.publisherOf(name);
    const settled = step && this.state.settled[step.index];
    if (!step || !settled) return undefined;
    return referenceTo({ ...settled, names: [], valueAliases: valueAliasesOf(step), iterates: iterates(step) });
  }

  /** Of the steps that publish a name, the one that has settled last. */
  private publisherOf(name: string): CompiledStep | undefined {
    const seqOf = ({ index }: CompiledStep): number => this.state.settled[index]?.seq ?? 0;
    let newest: CompiledStep | undefined;
    for (const step of this.playbook.steps) {
      if (step.aliases.includes(name) && seqOf(step) > (newest ? seqOf(newest) : 0)) newest = step;
    }
    return newest;
  }

  private settledValues(): JsonObject {
    const values: JsonObject = {};
    for (const step of this.playbook.steps) {
      const settled = this.state.settled[step.index];
      if (settled) values[step.name] = settled.value;
    }
    return values;
  }
}

/** A value as templates reach into it. */
export function referenceTo(outcome: StepOutcomeView): StepReference {
  const { value, status, error, meta, valueAliases, iterates } = outcome;
  const aliases = valueAliases ? { aliases: { ...valueAliases } } : {};
  return new StepReference(value, { status, error, meta, ...aliases, ...(iterates ? { iterator: iterationOf(value, meta) } : {}) });
}

/** What a finished iterator says of itself besides its value, also where `result` made another of that. */
function iterationOf(value: Json, meta: Json): { results: Json[]; errors?: Json[] } {
  const whole = isObject(meta) && Object.hasOwn(meta, 'raw') ? meta['raw']! : value;
  const list = isObject(whole) ? own(whole, 'results') : whole;
  const errors = isObject(meta) ? own(meta, 'errors') : undefined;
  return { results: Array.isArray(list) ? list : [], ...(Array.isArray(errors) ? { errors } : {}) };
}

/** `data` of a save: the value, and for keys that it lacks the inputs of the step (playbook language §3.2). */
class ValueOverInputs extends TemplateReference {
  constructor(
    private readonly value: StepReference,
    private readonly inputs: JsonObject,
  ) {
    super();
  }
  get(key: string | number): unknown {
    const found = this.value.get(key);
    return found === undefined ? itemOf(this.inputs, key) : found;
  }
  unwrap(): Json {
    return this.value.unwrap();
  }
}

/** `steps`: a mapping of step names to references. */
class StepsReference extends TemplateReference {
  constructor(
    private readonly reference: (step: string) => StepReference | undefined,
    private readonly values: () => JsonObject,
  ) {
    super();
  }
  get(key: string | number): unknown {
    return typeof key === 'string' ? this.reference(key) : undefined;
  }
  unwrap(): Json {
    return this.values();
  }
}

/** `this`: the envelope {id, status, data, meta, error}; keys it lacks fall through to the value. */
class EnvelopeReference extends TemplateReference {
  private readonly value: StepReference;

  constructor(
    private readonly executionId: string,
    private readonly outcome: StepOutcomeView,
  ) {
    super();
    this.value = referenceTo(outcome);
  }
  get(key: string | number): unknown {
    switch (key) {
      case 'id':
        return this.executionId;
      case 'status':
        return this.outcome.status;
      case 'data':
      case 'result':
        return this.value;
      case 'error':
        return this.outcome.error;
      case 'meta':
        return this.outcome.meta;
      default:
        return this.value.get(key);
    }
  }
  unwrap(): Json {
    const { status, value, error, meta } = this.outcome;
    return { id: this.executionId, status, data: value, meta, error };
  }
}
