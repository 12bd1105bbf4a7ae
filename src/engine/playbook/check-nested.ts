import { type Findings } from './findings.js';
import { type Action, type Playbook } from './playbook.js';

/** Where a step or a workbook task stands in the document. */
type OriginOf = (place: { readonly step: string } | { readonly task: string }) => string;

const COMPOSITE: ReadonlySet<string> = new Set(['iterator', 'playbook', 'playbooks', 'workflow', 'tool', 'model']);
const WAITING: ReadonlySet<string> = new Set(['wait', 'wait_for', 'input']);

/**
 * Refuses what nobody would heed: attempts and time-outs of an iterator or a call that is itself the task of an iterator. Items have no timer of
 * their own that survives a restart; the step around them has, and so have the actions inside and the playbooks that are called. For the same reason no
 * task of an iterator can wait.
 */
export function checkNested(playbook: Pick<Playbook, 'workbook' | 'workflow'>, originOf: OriginOf, findings: Findings): void {
  const tasks = new Map(playbook.workbook.map((task) => [task.name, task]));
  const check = (action: Action, place: string): void => {
    for (const nested of action.tasks) {
      const task = nested.type === 'workbook' ? tasks.get(String(nested.fields['name'])) : undefined;
      const { type } = task ?? nested;
      const given = [
        ...((nested.retry ?? task?.retry ?? null) === null ? [] : ['retry']),
        ...((nested.timeout ?? task?.timeout ?? null) === null ? [] : ['timeout']),
      ];
      if (COMPOSITE.has(type) && given.length > 0) {
        const what = `${given.join(' and ')} of the ${type} inside an iterator cannot be kept`;
        findings.error('unsupported_construct', place, `${what}; give them to the step itself, or to the actions inside.`);
      }
      if (WAITING.has(type)) {
        const message = `A task of an iterator cannot be of type ${type}; put the wait into a playbook that it calls.`;
        findings.error('unsupported_construct', place, message);
      }
      check(nested, place);
    }
  };
  for (const { name, action, compensate } of playbook.workflow) {
    if (action) check(action, originOf({ step: name }));
    if (compensate) check(compensate.action, originOf({ step: name }));
  }
  for (const task of playbook.workbook) check(task, originOf({ task: task.name }));
}
