import { EngineError, type Issue } from '../engine-error.js';
import { isObject, type JsonObject, own } from '../values.js';
import { checkNested } from './check-nested.js';
import { checkTemplates } from './check-templates.js';
import { CONTRACT_KEYS, readContract } from './contract.js';
import { DOCUMENT_LIMITS, type DocumentLimits } from './document-limits.js';
import { DocumentReading } from './document-reading.js';
import { type Findings } from './findings.js';
import { KIND_READERS, kindNamed } from './kinds/kind-readers.js';
import { readMetadata } from './metadata.js';
import { textOf } from './normalise-values.js';
import { ENTRY_KINDS, type EntryKind, type Playbook } from './playbook.js';
import { readDocument, type SourceDocument } from './read-document.js';
import { at, type Position } from './source-positions.js';

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

/** Top-level keys that are kept or silently ignored whatever the kind: real documents carry them. */
const ROOT_KEYS = [
  ...['apiVersion', 'kind', 'metadata', 'name', 'path', 'version', 'description', 'spec'],
  ...['environment', 'context', 'labels', 'annotations', 'tags', 'author', 'tracing'],
  ...CONTRACT_KEYS,
];

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
  private readonly reading: DocumentReading;
  private readonly findings: Findings;

  constructor(
    private readonly document: SourceDocument,
    mostSteps: number,
  ) {
    this.reading = new DocumentReading(document, mostSteps);
    this.findings = this.reading.findings;
  }

  parse(strict: boolean): ParsedPlaybook {
    const root = this.document.value;
    if (!isObject(root)) {
      this.findings.error('invalid_type', '', 'A playbook is a mapping with "apiVersion", "metadata" and "workflow".');
      return this.outcome(null, 'Playbook', strict);
    }
    const word = wordOf(root);
    const readable = this.checkApiVersion(root);
    const kind = kindNamed(word);
    if (kind === null)
      this.findings.error('unsupported_kind', '/kind', `Entries of kind "${word}" cannot be registered; only ${ENTRY_KINDS.join(', ')}.`);
    return this.outcome(kind && readable ? this.entry(root, kind) : null, kind ?? word, strict);
  }

  private entry(root: JsonObject, kind: EntryKind): Playbook {
    const reader = KIND_READERS[kind];
    const metadata = readMetadata(root, this.document.positions, this.findings);
    const contract = readContract(root, kind, this.findings);
    const body = reader.read(root, this.reading, contract);
    const known = new Set([...ROOT_KEYS, ...reader.rootKeys]);
    for (const key of Object.keys(root))
      if (!known.has(key)) this.findings.warn('unknown_field', at('', key), `unknown key "${key}" in the document; it has no effect`);
    const playbook: Playbook = { apiVersion: API_VERSION, kind, metadata, contract, ...body };
    checkNested(body, (place) => this.reading.originOf(place), this.findings);
    checkTemplates(root, this.document.positions, this.findings);
    return playbook;
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

  private outcome(playbook: Playbook | null, kind: string, strict: boolean): ParsedPlaybook {
    const errors = strict ? [...this.findings.errors, ...this.findings.warnings] : this.findings.errors;
    return {
      playbook: errors.length > 0 ? null : playbook,
      kind,
      errors,
      warnings: strict ? [] : this.findings.warnings,
      fatal: fatalOf(errors),
      locate: (pointer) => this.document.locate(pointer),
      originOf: (place) => this.reading.originOf(place),
    };
  }
}

/** The kind as the document writes it. */
function wordOf(root: JsonObject): string {
  const kind = own(root, 'kind') ?? null;
  return kind === null ? 'Playbook' : (textOf(kind) ?? typeof kind);
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
