import { createHash } from 'node:crypto';

/** Names of tools that are always there; no entry can take them. */
export const CONSTANT_TOOLS = ['catalog_search', 'catalog_describe', 'execute', 'execution_status', 'execution_cancel'] as const;
export type ConstantTool = (typeof CONSTANT_TOOLS)[number];

/** The prompt that is always there. */
export const RUN_PLAYBOOK_PROMPT = 'run_playbook';

const RESERVED: ReadonlySet<string> = new Set([...CONSTANT_TOOLS, RUN_PLAYBOOK_PROMPT]);

/** Hosts put a prefix before a name, and model APIs cut at 64 characters. */
const LONGEST = 40;
const HASHED_STEM = 31;

export const isReservedToolName = (name: string): boolean => RESERVED.has(name);

/**
 * Names for an entry whose author chose none, in order of preference: as many last segments of its path as fit, joined by `_`; then one that no
 * other path has, because it ends with a hash of the path. Lower case letters, digits, `_` and `-`, at most 40 characters.
 */
export function generatedToolNames(path: string): readonly [string, string] {
  const segments = path.toLowerCase().split('/').map(slug);
  let fitting = segments.at(-1)!;
  for (let from = segments.length - 2; from >= 0; from--) {
    const longer = segments.slice(from).join('_');
    if (longer.length > LONGEST) break;
    fitting = longer;
  }
  const hash = createHash('sha256').update(path, 'utf8').digest('hex').slice(0, 8);
  const hashed = `${fitting.slice(0, HASHED_STEM)}_${hash}`;
  return [fitting.length > LONGEST || isReservedToolName(fitting) ? hashed : fitting, hashed];
}

const slug = (segment: string): string => segment.replace(/[^a-z0-9_-]/g, '_');
