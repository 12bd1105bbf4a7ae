import { type Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { type Condition, TemplateError } from '../template/template.js';

/** Whether a condition holds; one that throws counts as false and leaves a warning (playbook language §5.2). */
export function holdsOrWarns(what: string, condition: Condition, scope: Scope, rendering: Rendering): boolean {
  try {
    return condition.isTrue(scope, rendering);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    rendering.warn(`${what} ${condition.source}: ${error.message}`);
    return false;
  }
}
