import { EngineError, type Issue } from '../engine/engine-error.js';
import { type ParsedPlaybook, parsePlaybook, type ParseOptions } from '../engine/playbook/parse-playbook.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { normaliseVersion } from './version.js';

/** What a text says as a playbook of the catalog, before it is compiled; plain data but for `fatal`. */
export interface SourceReading {
  readonly playbook: Playbook | null;
  readonly kind: string;
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
  /** What to throw where a playbook is needed; null where there is one. */
  readonly fatal: EngineError | null;
}

/** A text that was read, and still knows where its parts stand. */
export interface Source {
  readonly reading: SourceReading;
  /** Issues of the compiler, which point into the canonical form, as issues of the text. */
  locate(issues: readonly Issue[]): readonly Issue[] | Promise<readonly Issue[]>;
}

/** Reads and normalises a text, and checks what only the catalog asks for. Never throws. */
export function readSource(content: string, options: ParseOptions): Source & { locate(issues: readonly Issue[]): readonly Issue[] } {
  const parsed = parsePlaybook(content, options);
  const { playbook, kind, errors, warnings, fatal } = parsed;
  const refusal = playbook && versionRefusal(playbook, parsed);
  return {
    reading: refusal
      ? { playbook: null, kind, errors: refusal.issues, warnings, fatal: refusal }
      : { playbook, kind, errors, warnings, fatal },
    locate: (issues) => (playbook ? issues.map((issue) => located(issue, playbook, parsed)) : issues),
  };
}

/** Only the catalog asks for a semantic version. */
function versionRefusal({ metadata }: Playbook, parsed: ParsedPlaybook): EngineError | null {
  try {
    if (metadata.version !== null) normaliseVersion(metadata.version);
    return null;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const pointer = '/metadata/version';
    const issue = { code: error.code, message: error.message, pointer, ...parsed.locate(pointer) };
    return new EngineError(error.kind, error.code, error.message, [issue], { cause: error });
  }
}

function located(issue: Issue, playbook: Playbook, parsed: ParsedPlaybook): Issue {
  const [, list, index, rest] = /^\/(workflow|workbook)\/(\d+)(.*)$/.exec(issue.pointer ?? '') ?? [];
  if (issue.line !== undefined || list === undefined) return issue;
  const step = list === 'workflow' ? playbook.workflow[Number(index)]?.name : undefined;
  const task = list === 'workbook' ? playbook.workbook[Number(index)]?.name : undefined;
  const origin = step !== undefined ? parsed.originOf({ step }) : task !== undefined ? parsed.originOf({ task }) : '';
  const pointer = `${origin}${rest}`;
  return { ...issue, pointer, ...parsed.locate(pointer) };
}
