import { type TensorRule } from '../tensors/tensor.js';
import { type Json, type JsonObject } from '../values.js';

/** What a catalog entry may be. Whatever it is, it is a program: its steps are run by the one engine. */
export const ENTRY_KINDS = ['Playbook', 'Workflow', 'Tool', 'Model', 'Prompt', 'Resource'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** Whether documents of the kind are programs themselves, in the playbook language, and not something that becomes one. */
export const isWrittenOut = (kind: EntryKind): boolean => kind === 'Playbook' || kind === 'Workflow';

/**
 * The canonical form of an entry: plain JSON, made once at registration from any of the five accepted spellings
 * (docs/playbooks.md), or of what another kind says (docs/tools.md, docs/models.md), and stored beside the original text. Only this form is compiled and executed.
 */
export interface Playbook {
  readonly apiVersion: 'noetl.io/v1';
  readonly kind: EntryKind;
  readonly metadata: PlaybookMetadata;
  /** What callers may rely on. */
  readonly contract: EntryContract;
  /** Default inputs; strings may hold templates. */
  readonly workload: JsonObject;
  /** Reusable actions by name. */
  readonly workbook: readonly WorkbookTask[];
  /** In document order. At least one step; exactly one has role `entry`, at most one `terminal`. */
  readonly workflow: readonly Step[];
  /** Document-level credential aliases and handles, kept as written. */
  readonly credentials: Json;
  readonly keychain: Json;
  /** Top-level keys that templates see under their own name (`environment`, `spec`). */
  readonly exposed: JsonObject;
  /** Of a Prompt. */
  readonly prompt?: PromptFace;
  /** Of a Resource. */
  readonly resource?: ResourceFace;
}

/** What MCP clients are told of a Prompt; its result is `{messages: [{role, content}]}`. */
export interface PromptFace {
  readonly arguments: readonly PromptArgument[];
}

/** A text that a prompt is filled with. */
export interface PromptArgument {
  readonly name: string;
  readonly description: string | null;
  readonly required: boolean;
  /** The values it may have; null: any. */
  readonly values: readonly string[] | null;
}

/** Where a Resource is read, one of `uri` and `uriTemplate` (RFC 6570; its variables are the arguments); its result is `{contents: […]}`. */
export interface ResourceFace {
  readonly uri: string | null;
  readonly uriTemplate: string | null;
  readonly mimeType: string | null;
}

/** How an entry is called and what it answers, as its author declares it (wire names in docs/tools.md). */
export interface EntryContract {
  /** JSON Schema 2020-12 of its parameters, `type: object`; null: anything. */
  readonly inputSchema: JsonObject | null;
  /** JSON Schema 2020-12 of its result; null: anything. */
  readonly outputSchema: JsonObject | null;
  /** Its name for people. */
  readonly title: string | null;
  /** Hints about behaviour, in the words of MCP. */
  readonly annotations: EntryAnnotations;
  /** Its name as an MCP tool, as the author wants it; null: made of its path. */
  readonly toolName: string | null;
  /** Toolsets that list it; `pinned` is the default one. */
  readonly expose: readonly string[];
  /** Whether MCP clients may, must or cannot run it as a task. */
  readonly task: 'optional' | 'required' | 'forbidden';
  /** Further names under which starts may call a Tool or a Model. */
  readonly serves: readonly string[];
  /** Settings of a Model's inference that callers may give, by name; left out: it has none. */
  readonly inference?: Readonly<Record<string, InferenceRule>>;
  /** Tensors that a Model takes; left out: it says nothing of them. */
  readonly tensors?: readonly TensorRule[];
}

/** What a setting of the inference may be. Absent bounds are null. */
export interface InferenceRule extends JsonObject {
  /** `integer` is a number without fraction; null: any value. */
  readonly type: 'number' | 'integer' | 'string' | 'boolean' | 'array' | null;
  /** Where the caller gives none; null: the provider's own. */
  readonly default: Json;
  readonly min: number | null;
  readonly max: number | null;
  readonly enum: Json[] | null;
  /** True: it is always the default, and a caller may say nothing else. */
  readonly fixed: boolean;
}

export interface EntryAnnotations {
  readonly title?: string;
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}

/** The contract of an entry that declares nothing; entries registered before there were contracts have this one. */
export const NO_CONTRACT: EntryContract = Object.freeze({
  inputSchema: null,
  outputSchema: null,
  title: null,
  annotations: {},
  toolName: null,
  expose: [],
  task: 'optional',
  serves: [],
});

export interface PlaybookMetadata {
  readonly name: string;
  /** Catalog path without leading slash and .yaml suffix. */
  readonly path: string;
  /** As written in the document, as text; null when absent. */
  readonly version: string | null;
  readonly description: string | null;
  /** labels, annotations, tags, author and whatever else metadata holds. */
  readonly extra: JsonObject;
}

/** Something that acts: the body of a step, a workbook task, or the task of an iterator. */
export interface Action {
  /** Canonical type word: python, http, workbook, postgres, iterator, playbook, save, … Never router, noop, start or end. */
  readonly type: string;
  /** Fields of that type under their canonical names (python: code; http: endpoint, method, headers, …; workbook: name; iterator: collection, element, …). */
  readonly fields: JsonObject;
  /** Inputs: a mapping whose strings may be templates, or one lone template that gives a mapping. */
  readonly data: JsonObject | string;
  readonly save: readonly Save[];
  readonly assert: AssertSpec | null;
  readonly auth: Json;
  readonly retry: Retry | null;
  /** Per attempt: seconds, a duration text, or a template of either; null = the type's default. */
  readonly timeout: number | string | null;
  /** The nested task(s) of an iterator, run in order; empty for every other type. */
  readonly tasks: readonly Action[];
}

export interface WorkbookTask extends Action {
  readonly name: string;
}

export type StepRole = 'entry' | 'terminal' | 'inner';

export interface Step {
  readonly name: string;
  readonly role: StepRole;
  /** 1-based line of the step in the registered text. */
  readonly line: number;
  /** null = router: no action, passes its inputs through. */
  readonly action: Action | null;
  /** Inputs of a router (an action has its own). */
  readonly data: JsonObject | string;
  /** Saves of a router or bare end (an action has its own). */
  readonly save: readonly Save[];
  readonly next: readonly NextEntry[];
  readonly onError: OnError;
  /** Where a `wait_for`, `input` or `approval` step goes when its time is over; null: it fails. */
  readonly onTimeout: EdgeTarget | null;
  /** Template or bare expression: truthy skips the action. */
  readonly pass: Json;
  /** Template or bare expression: falsy skips the action. null = not given. */
  readonly when: Json;
  readonly vars: JsonObject;
  /** Result template (on end) or projection (elsewhere); undefined in the document = null and hasResult false. */
  readonly result: Json;
  readonly hasResult: boolean;
  /** Extra name under which the value is published. */
  readonly as: string | null;
  /** It fires at this arrival, whatever else is on its way; left out: when nothing else can arrive. */
  readonly join?: number;
  /** How what it did is undone where its execution fails or is cancelled; left out: it is not. */
  readonly compensate?: Compensate;
}

/** How a firing of a step is undone (docs/workflows/sagas.md). */
export interface Compensate {
  /** What undoes it; it has neither saves nor anything of the step around it. */
  readonly action: Action;
  /** completed: only firings that succeeded. started: also those that began and failed or were aborted. */
  readonly covers: 'completed' | 'started';
}

/** One entry of `next`, in document order. */
export type NextEntry =
  | { readonly kind: 'when'; readonly when: Json; readonly then: readonly EdgeTarget[]; readonly else: readonly EdgeTarget[] }
  | { readonly kind: 'else'; readonly then: readonly EdgeTarget[] }
  | { readonly kind: 'plain'; readonly then: readonly EdgeTarget[] };

export interface EdgeTarget {
  readonly step: string;
  /** Rendered in the context of the step being left; a mapping or a lone template. */
  readonly data: JsonObject | string;
}

export type OnError = { readonly kind: 'fail' } | { readonly kind: 'continue' } | { readonly kind: 'goto'; readonly target: EdgeTarget };

export interface AssertSpec {
  readonly expects: readonly AssertPath[];
  readonly returns: readonly AssertPath[];
  readonly mode: 'fail' | 'warn' | null;
}
export interface AssertPath {
  readonly path: string;
  readonly type: 'string' | 'number' | 'boolean' | 'object' | 'array' | null;
}

/** Delays in seconds. Absent conditions are null. */
export type RetryTemplates = Readonly<
  Partial<Record<'maxAttempts' | 'initialDelay' | 'backoffMultiplier' | 'maxDelay' | 'jitter', string>>
>;

export interface Retry {
  readonly maxAttempts: number;
  readonly initialDelay: number;
  readonly backoffMultiplier: number;
  readonly maxDelay: number;
  readonly jitter: boolean;
  /** Template or bare expression; null: retry on any error. */
  readonly retryWhen: Json;
  /** True where `retryWhen` is that of `on_error`: of a success nobody asks it. */
  readonly onlyErrors?: boolean;
  readonly stopWhen: Json;
  /** Numbers that the document gives as templates: rendered when an attempt has ended; the fields above then hold what counts where they give none. */
  readonly templates?: RetryTemplates;
  /** Classes: http_error, connection_error, timeout, exception, error. */
  readonly retryOn: readonly string[] | null;
  /** `retry.on_success` (pagination) as written, null when absent. */
  readonly onSuccess: Json;
}

export interface Save {
  /** Canonical word: event_log, variables, postgres, duckdb, http, python, … */
  readonly storage: string;
  readonly when: Json;
  readonly on: 'success' | 'error' | 'always';
  /** Inline `name:` form: publishes a variable. */
  readonly name: string | null;
  /** Mapping, list, or a lone template; null when absent. */
  readonly data: Json;
  readonly auth: Json;
  readonly onError: 'fail' | 'continue' | null;
  /** table, mode, key, statement, params, commands, endpoint, method, headers, code, spec, … under canonical names. */
  readonly fields: JsonObject;
}
