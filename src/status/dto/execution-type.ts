/** What an execution runs; the kind of its catalog entry in lower case. */
export const EXECUTION_TYPES = ['playbook', 'tool', 'model', 'workflow'] as const;
export type ExecutionType = (typeof EXECUTION_TYPES)[number];
