import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type Action } from '../engine/playbook/playbook.js';

/** What a program may do before its end that its caller hears of. */
export interface Talk {
  /** It reports its progress itself. */
  readonly progress: boolean;
  /** It is one call of a tool of an MCP server: what that says of its progress is all there is to say. */
  readonly relays: boolean;
  readonly log: boolean;
  readonly input: boolean;
  /** It acts on nothing: it renders, and says things. */
  readonly isPure: boolean;
}

const PURE: ReadonlySet<string> = new Set(['progress', 'log', 'fail']);

const known = new WeakMap<CompiledPlaybook, Talk>();

/** Looks at every action of a program, also those that nothing may reach. */
export function talkOf(program: CompiledPlaybook): Talk {
  const talk = known.get(program) ?? readTalk(program);
  known.set(program, talk);
  return talk;
}

function readTalk({ playbook: { workflow, workbook } }: CompiledPlaybook): Talk {
  const types = new Set<string>();
  let actions = 0;
  const visit = (action: Action): void => {
    actions += 1;
    types.add(action.type);
    action.tasks.forEach(visit);
  };
  for (const { action } of workflow) if (action) visit(action);
  workbook.forEach(visit);
  const saves = workflow.some(({ save, action }) => save.length > 0 || (action?.save.length ?? 0) > 0);
  const isPure = !saves && [...types].every((type) => PURE.has(type));
  const relays = actions === 1 && types.has('mcp');
  return {
    progress: types.has('progress') || relays,
    relays,
    log: types.has('log'),
    input: types.has('input') || types.has('mcp'),
    isPure,
  };
}
