import { isSealOf, sealOf } from './sealed-text.js';

const PURPOSE = 'task';

/** The id of an execution as a task: with a seal, so that knowing ids of executions is not enough. */
export function taskIdOf(key: Buffer, tenant: string, executionId: string): string {
  return `${executionId}-${sealOf(key, PURPOSE, `${tenant}\n${executionId}`)}`;
}

/** The execution of a task; null for any id that was not given out to this tenant. */
export function executionOfTask(key: Buffer, tenant: string, taskId: string): string | null {
  const cut = taskId.indexOf('-');
  const executionId = taskId.slice(0, Math.max(cut, 0));
  return isSealOf(taskId.slice(cut + 1), key, PURPOSE, `${tenant}\n${executionId}`) && executionId !== '' ? executionId : null;
}
