import { EngineError, type Issue } from '../engine/engine-error.js';
import { compilePlaybook, type CompiledPlaybook } from '../engine/playbook/compile.js';
import { type ParsedPlaybook, parsePlaybook } from '../engine/playbook/parse-playbook.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { type StepKinds } from '../engine/step-executor.js';
import { normaliseVersion } from './version.js';

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

/** Reads, normalises and compiles a text, and checks what only the catalog asks for. Never throws. */
export function checkDocument(content: string, strict: boolean, kinds: StepKinds): CheckedDocument {
  const parsed = parsePlaybook(content, { strict });
  if (!parsed.playbook) return { document: null, errors: parsed.errors, warnings: parsed.warnings, refusal: parsed.fatal };
  const { playbook } = parsed;
  try {
    checkVersion(playbook, parsed);
    const compiled = compilePlaybook(playbook, kinds);
    const unable = compiled.warnings.map((issue) => located(issue, playbook, parsed));
    if (strict && unable[0]) throw new EngineError('invalid', 'invalid_document', unable[0].message, unable);
    const warnings = [...parsed.warnings, ...unable];
    const { path, version } = playbook.metadata;
    return { document: { playbook, compiled, kind: parsed.kind, path, version, warnings }, errors: [], warnings, refusal: null };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const found: readonly Issue[] = error.issues.length > 0 ? error.issues : [{ code: error.code, message: error.message }];
    const errors = found.map((issue) => located(issue, playbook, parsed));
    const refusal = new EngineError(error.kind, error.code, error.message, errors, { cause: error });
    return { document: null, errors, warnings: parsed.warnings, refusal };
  }
}

/**
 * The document of a text.
 * @throws EngineError `unreadable`, `document_too_large`, `unsupported_kind`, `unsupported_api_version`, `invalid_version` or `invalid_document`; issues carry line, column and pointer into the text
 */
export function documentOf(content: string, strict: boolean, kinds: StepKinds): CatalogDocument {
  const { document, refusal } = checkDocument(content, strict, kinds);
  if (!document) throw refusal ?? new EngineError('invalid', 'invalid_document', 'The playbook is not valid.');
  return document;
}

/** Only the catalog asks for a semantic version. */
function checkVersion({ metadata }: Playbook, parsed: ParsedPlaybook): void {
  try {
    if (metadata.version !== null) normaliseVersion(metadata.version);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const pointer = '/metadata/version';
    const issue = { code: error.code, message: error.message, pointer, ...parsed.locate(pointer) };
    throw new EngineError(error.kind, error.code, error.message, [issue], { cause: error });
  }
}

/** Issues of the compiler point into the canonical form; people have the text. */
function located(issue: Issue, playbook: Playbook, parsed: ParsedPlaybook): Issue {
  const [, list, index, rest] = /^\/(workflow|workbook)\/(\d+)(.*)$/.exec(issue.pointer ?? '') ?? [];
  if (issue.line !== undefined || list === undefined) return issue;
  const step = list === 'workflow' ? playbook.workflow[Number(index)]?.name : undefined;
  const task = list === 'workbook' ? playbook.workbook[Number(index)]?.name : undefined;
  const origin = step !== undefined ? parsed.originOf({ step }) : task !== undefined ? parsed.originOf({ task }) : '';
  const pointer = `${origin}${rest}`;
  return { ...issue, pointer, ...parsed.locate(pointer) };
}
