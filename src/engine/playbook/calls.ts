/** Calls within calls, at most. */
export const MAX_CALL_DEPTH = 16;

/** What kind of entry a step means to call: the execution type of its runs. */
export type Callable = 'playbook' | 'workflow' | 'tool' | 'model';
