import { type Firing, type RunState } from './run-state.js';

/**
 * Whether what a firing has called goes on without it: whoever cancelled the run wants that (`cascade: false`). What undoes is still awaited, unless the
 * cancel gives that up (`force`).
 */
export const leavesCalls = ({ cancel }: RunState, { undoes }: Firing): boolean =>
  cancel?.cascade === false && (undoes === null || cancel.force);
