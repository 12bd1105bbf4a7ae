import { EngineError, type Issue } from '../engine-error.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { checkNested } from './check-nested.js';
import { checkTemplates } from './check-templates.js';
import { DOCUMENT_LIMITS, type DocumentLimits } from './document-limits.js';
import { Findings } from './findings.js';
import { type EdgePlaces } from './normalise-next.js';
import { readMetadata } from './metadata.js';
import { normaliseStep, normaliseTask, type StepDraft } from './normalise-step.js';
import { textOf } from './normalise-values.js';
import { type Playbook, type WorkbookTask } from './playbook.js';
import { readDocument, type SourceDocument } from './read-document.js';
import { at, type Position } from './source-positions.js';
import { linkSteps } from './validate-graph.js';

/** A document that was read as a playbook: the canonical form, or everything that is wrong with it. */
export interface ParsedPlaybook {
  /** null exactly where `errors` is not empty. */
  readonly playbook: Playbook | null;
  /** As the document says; `Playbook` where it says nothing. */
  readonly kind: string;
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
  /**
   * What to throw where a playbook is needed, null where there is one: `unreadable` and `too_large` for texts that cannot
   * be read, `unsupported_api_version`, `unsupported_kind`, otherwise `invalid_document` with `errors` as its issues.
   */
  readonly fatal: EngineError | null;
  /** Position of a JSON Pointer into the original document, or of its nearest existing ancestor. */
  locate(pointer: string): Position;
  /** Where a workflow step or a workbook task of the canonical form stands in the original document. */
  originOf(place: { readonly step: string } | { readonly task: string }): string;
}

export const API_VERSION = 'noetl.io/v1';

/** Top-level keys that are kept or silently ignored: real documents carry them. */
const ROOT_KEYS = ['apiVersion', 'kind', 'metadata', 'workload', 'workbook', 'workflow', 'steps', 'credentials', 'keychain'];
const FREE_ROOT_KEYS = [
  'name',
  'path',
  'version',
  'description',
  'environment',
  'context',
  'spec',
  'labels',
  'annotations',
  'tags',
  'author',
  'tracing',
];
const EXPOSED_KEYS = ['environment', 'spec'];

export interface ParseOptions {
  /** Warnings are errors; false if left out. */
  readonly strict?: boolean;
  readonly limits?: DocumentLimits;
}

/** Reads a playbook in any of its spellings. Never throws: what is wrong is in `errors`. */
export function parsePlaybook(text: string, { strict = false, limits = DOCUMENT_LIMITS }: ParseOptions = {}): ParsedPlaybook {
  let document: SourceDocument;
  try {
    document = readDocument(text, limits);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return unreadable(error);
  }
  return new Reading(document, limits.steps).parse(strict);
}

class Reading {
  private readonly findings: Findings;
  private readonly stepPointers = new Map<string, string>();
  private readonly taskPointers = new Map<string, string>();

  constructor(
    private readonly document: SourceDocument,
    private readonly mostSteps: number,
  ) {
    this.findings = new Findings((pointer) => document.locate(pointer));
  }

  parse(strict: boolean): ParsedPlaybook {
    const root = this.document.value;
    if (!isObject(root)) {
      this.findings.error('invalid_type', '', 'A playbook is a mapping with "apiVersion", "metadata" and "workflow".');
      return this.outcome(null, 'Playbook', strict);
    }
    const kind = this.kindOf(root);
    const readable = this.checkApiVersion(root);
    if (kind.toLowerCase() !== 'playbook')
      this.findings.error('unsupported_kind', '/kind', `Entries of kind "${kind}" cannot be registered; only Playbook.`);
    else if (readable) return this.outcome(this.playbook(root), 'Playbook', strict);
    return this.outcome(null, kind, strict);
  }

  private playbook(root: JsonObject): Playbook {
    const places: EdgePlaces = new Map();
    const workbook = this.workbook(root);
    const drafts = this.drafts(root, places);
    for (const key of Object.keys(root))
      if (![...ROOT_KEYS, ...FREE_ROOT_KEYS].includes(key))
        this.findings.warn('unknown_field', at('', key), `unknown key "${key}" in the document; it has no effect`);
    const playbook: Playbook = {
      apiVersion: API_VERSION,
      kind: 'Playbook',
      metadata: readMetadata(root, this.document.positions, this.findings),
      workload: this.mappingAt(root, 'workload'),
      workbook,
      workflow: linkSteps(drafts, workbook, places, this.findings),
      credentials: own(root, 'credentials') ?? null,
      keychain: own(root, 'keychain') ?? null,
      exposed: Object.fromEntries(EXPOSED_KEYS.flatMap((key) => (Object.hasOwn(root, key) ? [[key, root[key] ?? null]] : []))),
    };
    checkNested(playbook, (place) => this.originOf(place), this.findings);
    checkTemplates(root, this.document.positions, this.findings);
    return playbook;
  }

  private drafts(root: JsonObject, places: EdgePlaces): StepDraft[] {
    const key = Object.hasOwn(root, 'steps') && !Object.hasOwn(root, 'workflow') ? 'steps' : 'workflow';
    const list = this.listAt(root, key);
    if (list.length === 0)
      this.findings.error('missing_workflow', at('', key), 'A playbook needs "workflow": a list with at least one step.');
    if (list.length > this.mostSteps) {
      this.findings.error('too_many_steps', at('', key), `A playbook has at most ${this.mostSteps} steps; this one has ${list.length}.`);
      return [];
    }
    return list.flatMap((value, index) => {
      const pointer = at('', key, index);
      const draft = normaliseStep(value, pointer, this.document.locate(pointer).line, this.findings, places);
      if (draft && !this.stepPointers.has(draft.step.name)) this.stepPointers.set(draft.step.name, pointer);
      return draft ? [draft] : [];
    });
  }

  private workbook(root: JsonObject): WorkbookTask[] {
    return this.listAt(root, 'workbook').flatMap((value, index) => {
      const pointer = at('/workbook', index);
      const task = normaliseTask(value, pointer, this.findings);
      if (!task) return [];
      if (this.taskPointers.has(task.name))
        this.findings.error('duplicate_task', pointer, `There are two workbook tasks named "${task.name}".`);
      else this.taskPointers.set(task.name, pointer);
      return [task];
    });
  }

  private kindOf(root: JsonObject): string {
    const kind = own(root, 'kind') ?? null;
    return kind === null ? 'Playbook' : (textOf(kind) ?? typeof kind);
  }

  private checkApiVersion(root: JsonObject): boolean {
    const version = own(root, 'apiVersion') ?? null;
    if (version === null) this.findings.warn('missing_api_version', '', `The document names no apiVersion; ${API_VERSION} is assumed.`);
    if (version === null || version === API_VERSION) return true;
    const later = version === 'noetl.io/v2' ? ' (v2 is another language: `tool: {kind: …}`, `case`, `arcs`)' : '';
    this.findings.error(
      'unsupported_api_version',
      '/apiVersion',
      `apiVersion must be ${API_VERSION}; "${textOf(version) ?? '…'}" cannot be read${later}.`,
    );
    return false;
  }

  private mappingAt(root: JsonObject, key: string): JsonObject {
    const value: Json = own(root, key) ?? null;
    if (isObject(value)) return value;
    if (value !== null) this.findings.error('invalid_type', at('', key), `"${key}" must be a mapping.`);
    return {};
  }

  private listAt(root: JsonObject, key: string): Json[] {
    const value: Json = own(root, key) ?? null;
    if (Array.isArray(value)) return value;
    if (value !== null) this.findings.error('invalid_type', at('', key), `"${key}" must be a list.`);
    return [];
  }

  private originOf(place: { readonly step: string } | { readonly task: string }): string {
    return ('step' in place ? this.stepPointers.get(place.step) : this.taskPointers.get(place.task)) ?? '';
  }

  private outcome(playbook: Playbook | null, kind: string, strict: boolean): ParsedPlaybook {
    const errors = strict ? [...this.findings.errors, ...this.findings.warnings] : this.findings.errors;
    return {
      playbook: errors.length > 0 ? null : playbook,
      kind,
      errors,
      warnings: strict ? [] : this.findings.warnings,
      fatal: fatalOf(errors),
      locate: (pointer) => this.document.locate(pointer),
      originOf: (place) => this.originOf(place),
    };
  }
}

function fatalOf(errors: readonly Issue[]): EngineError | null {
  const first = errors[0];
  if (!first) return null;
  const own = errors.find(({ code }) => code === 'unsupported_api_version' || code === 'unsupported_kind');
  if (own) return new EngineError('invalid', own.code, own.message, errors);
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new EngineError('invalid', 'invalid_document', `The playbook is not valid: ${first.message}${more}`, errors);
}

function unreadable(error: EngineError): ParsedPlaybook {
  const errors = error.issues.length > 0 ? error.issues : [{ code: error.code, message: error.message }];
  const fatal = error.kind === 'invalid' ? fatalOf(errors) : error;
  return { playbook: null, kind: 'Playbook', errors, warnings: [], fatal, locate: () => ({ line: 1, column: 1 }), originOf: () => '' };
}
