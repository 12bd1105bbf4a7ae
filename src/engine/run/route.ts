import { type CompiledEdge, type CompiledStep } from '../playbook/compiled.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { type ValueTemplate } from '../template/template.js';
import { isObject, type JsonObject } from '../values.js';
import { holdsOrWarns } from './conditions.js';
import { type TakenEdge } from './events.js';

/**
 * The edges a settled step takes, with their data (playbook language §5.2): every entry whose `when` holds; `else` entries where no
 * `when` before them held; plain entries where nothing else decides. A `when` that throws counts as false and warns.
 */
export function takenEdges(step: CompiledStep, override: readonly string[] | null, scope: Scope, rendering: Rendering): TakenEdge[] {
  if (override) return overrideEdge(step, override);
  const taken: CompiledEdge[] = [];
  let conditions = 0;
  let held = 0;
  let hasElse = false;
  for (const entry of step.next) {
    if (entry.kind === 'when') {
      conditions += 1;
      if (holdsOrWarns('when', entry.when, scope, rendering)) {
        held += 1;
        taken.push(...entry.then);
      } else taken.push(...entry.else);
      if (entry.else.length > 0) hasElse = true;
    } else if (entry.kind === 'else') {
      hasElse = true;
      if (held === 0) taken.push(...entry.then);
    }
  }
  if (conditions === 0 || (held === 0 && !hasElse)) {
    for (const entry of step.next) if (entry.kind === 'plain') taken.push(...entry.then);
  }
  return taken.map((edge) => ({
    to: edge.to.name,
    data: renderMapping(edge.data, scope, rendering, `data of the edge to ${edge.to.name}`),
  }));
}

function overrideEdge(step: CompiledStep, override: readonly string[]): TakenEdge[] {
  const at = override.indexOf(step.name);
  const next = override[at + 1];
  // A handler that the list does not name leads nowhere.
  return at < 0 || next === undefined ? [] : [{ to: next, data: {} }];
}

/** Renders inputs: a mapping, or a lone template whose null counts as empty. @throws StepFailure inputs_not_mapping */
export function renderMapping(data: ValueTemplate, scope: Scope, rendering: Rendering, what: string): JsonObject {
  const rendered = data.render(scope, rendering);
  if (rendered === null || rendered === '') return {};
  if (isObject(rendered)) return rendered;
  throw new StepFailure('inputs_not_mapping', `The ${what} must give a mapping.`, { retryable: false });
}
