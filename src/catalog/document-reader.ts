import { EngineError, type Issue } from '../engine/engine-error.js';
import { compileInParts } from '../engine/playbook/compile.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type DocumentLimits } from '../engine/playbook/document-limits.js';
import { inlineContents, MAX_INLINE_DEPTH } from '../engine/playbook/inline-content.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { type StepKinds } from '../engine/step-executor.js';
import { inSlices } from '../storage/in-slices.js';
import { type ReadingThreads } from './reading-threads.js';
import { readSource, type Source } from './source.js';

/** A text that may become an entry. */
export interface CatalogDocument {
  readonly playbook: Playbook;
  readonly compiled: CompiledPlaybook;
  readonly kind: string;
  readonly path: string;
  /** As the document writes it; null where it names none. */
  readonly version: string | null;
  readonly warnings: readonly Issue[];
}

/** Everything there is to say about a text. */
export interface CheckedDocument {
  readonly document: CatalogDocument | null;
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
  /** What to throw where a valid document is needed; null exactly where `errors` is empty. */
  readonly refusal: EngineError | null;
}

/** What there is to say about a text, but for the texts inside its steps. */
interface CheckedAlone extends CheckedDocument {
  /** With an issue that says where they stand. */
  readonly inline: readonly { readonly text: string; readonly place: Issue }[];
}

/** Characters that are read at once, some ten milliseconds of work; longer texts go to a thread. */
const SHORT = 8 * 1024;

/** Turns texts into documents without holding up the event loop: long ones, and those whose aliases may make them long, are read in a thread. */
export class DocumentReader {
  constructor(
    private readonly threads: ReadingThreads,
    private readonly kinds: StepKinds,
    private readonly limits: DocumentLimits,
  ) {}

  /**
   * Reads, normalises and compiles a text. What is wrong with the text is in `errors`.
   * @throws EngineError `document_too_complex` (takes too much time or memory), `overloaded` (too many texts wait)
   */
  async check(content: string, strict: boolean): Promise<CheckedDocument> {
    return this.checkWithInline(content, strict, 0, new Map());
  }

  /** Texts inside steps are checked after the thread of the text around them is free: each may need one. @param known each text is read once */
  private async checkWithInline(
    content: string,
    strict: boolean,
    depth: number,
    known: Map<string, Promise<CheckedDocument>>,
  ): Promise<CheckedDocument> {
    const { inline, ...checked } = await this.checkAlone(content, strict);
    const errors: Issue[] = [];
    const warnings: Issue[] = [];
    for (const { text, place } of inline) {
      if (depth >= MAX_INLINE_DEPTH) {
        errors.push({ ...place, code: 'depth_exceeded', message: `Playbooks stand at most ${MAX_INLINE_DEPTH} deep inside each other.` });
        continue;
      }
      const reading = known.get(text) ?? this.checkWithInline(text, strict, depth + 1, known);
      known.set(text, reading);
      const inner = await reading;
      errors.push(...inner.errors.map((issue) => placed(issue, place)));
      warnings.push(...inner.warnings.map((issue) => placed(issue, place)));
    }
    if (errors[0])
      return refused(new EngineError('invalid', 'invalid_document', errors[0].message), errors, [...checked.warnings, ...warnings]);
    if (warnings.length === 0) return checked;
    const all = [...checked.warnings, ...warnings];
    return { ...checked, document: checked.document && { ...checked.document, warnings: all }, warnings: all };
  }

  private async checkAlone(content: string, strict: boolean): Promise<CheckedAlone> {
    const options = { strict, limits: this.limits };
    const takesLong = content.length > SHORT || (content.includes('&') && content.includes('*'));
    const isTooLarge = content.length > this.limits.bytes; // seen at once, no thread is needed to say so
    if (!takesLong || isTooLarge) return this.compile(readSource(content, options), strict);
    return this.threads.read(content, options, (source) => this.compile(source, strict));
  }

  /**
   * The document of a text.
   * @throws EngineError as `check`, and `unreadable`, `document_too_large`, `unsupported_kind`, `unsupported_api_version`,
   * `invalid_version` or `invalid_document`; issues carry line, column and pointer into the text
   */
  async read(content: string, strict: boolean): Promise<CatalogDocument> {
    const { document, refusal } = await this.check(content, strict);
    if (!document) throw refusal ?? new EngineError('invalid', 'invalid_document', 'The playbook is not valid.');
    return document;
  }

  private async compile(source: Source, strict: boolean): Promise<CheckedAlone> {
    const { playbook, kind, errors, warnings, fatal } = source.reading;
    if (!playbook) return { document: null, errors, warnings, refusal: fatal, inline: [] };
    const compiled = await this.compiledOrRefusal(playbook);
    if (compiled instanceof EngineError) return refused(compiled, await source.locate(issuesOf(compiled)), warnings);
    const unable = await source.locate(compiled.warnings);
    if (strict && unable[0]) return refused(new EngineError('invalid', 'invalid_document', unable[0].message), unable, warnings);
    const all = [...warnings, ...unable];
    const { path, version } = playbook.metadata;
    const texts = inlineContents(playbook);
    const places = await source.locate(texts.map(({ pointer }) => ({ code: 'invalid_document', message: '', pointer })));
    const inline = texts.map(({ text }, at) => ({ text, place: places[at]! }));
    return { document: { playbook, compiled, kind, path, version, warnings: all }, errors: [], warnings: all, refusal: null, inline };
  }

  private async compiledOrRefusal(playbook: Playbook): Promise<CompiledPlaybook | EngineError> {
    try {
      return await inSlices(compileInParts(playbook, this.kinds));
    } catch (error) {
      if (error instanceof EngineError) return error;
      throw error;
    }
  }
}

function issuesOf(error: EngineError): readonly Issue[] {
  return error.issues.length > 0 ? error.issues : [{ code: error.code, message: error.message }];
}

function refused(error: EngineError, errors: readonly Issue[], warnings: readonly Issue[]): CheckedAlone {
  const refusal = new EngineError(error.kind, error.code, error.message, errors, { cause: error });
  return { document: null, errors, warnings, refusal, inline: [] };
}

/** An issue of a text inside a step: the pointer goes on into that text, its line and column stay those of the step. */
function placed(issue: Issue, { pointer, line, column }: Issue): Issue {
  const where = issue.line === undefined ? '' : `, line ${issue.line}`;
  return {
    code: issue.code,
    message: `In the content${where}: ${issue.message}`,
    pointer: `${pointer ?? ''}${issue.pointer ?? ''}`,
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
  };
}
