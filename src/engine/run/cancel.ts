/** How a run is to be cancelled. */
export interface Cancel {
  readonly reason: string | null;
  /** Running steps are skipped at once, and what was done is not undone. */
  readonly force: boolean;
  /** What the run called goes on; left out: it is cancelled as well. */
  readonly cascade?: false;
}

/** Of a message or an event what says how to cancel. */
export const cancelOf = ({ reason, force, cascade }: Cancel): Cancel => ({ reason, force, ...(cascade === undefined ? {} : { cascade }) });
