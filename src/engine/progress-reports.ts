import { type Clock } from './ports.js';
import { type Report } from './run/events.js';
import { type ActionProgress } from './step-executor.js';

type ProgressReport = Extract<Report, { type: 'step_progress' }>;

/** Between two reports of one attempt. */
const PAUSE_MS = 1_000;
/** Of one attempt. */
const MOST_REPORTS = 100;
const MOST_CHARACTERS = 1_000;

/**
 * What an attempt says of how far it is, on its way into the history: at once, but only what is more than before, after a pause, and so often. Whatever comes
 * meanwhile costs a comparison; of that the newest is kept for the end of the pause.
 */
export class ProgressReports {
  private last = -Infinity;
  private newest: ActionProgress | null = null;
  private left = MOST_REPORTS;
  private stopPause: (() => void) | null = null;
  private closed = false;

  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly record: (report: ProgressReport) => void,
  ) {}

  readonly hear = (said: ActionProgress): void => {
    const { progress } = said;
    if (this.closed || this.left === 0 || !Number.isFinite(progress) || progress < 0 || progress <= this.last) return;
    this.last = progress;
    if (this.stopPause === null) this.tell(said);
    else this.newest = said;
  };

  /** The attempt is over: nothing is recorded of it any more. */
  close(): void {
    this.closed = true;
    this.stopPause?.();
  }

  private tell({ progress, total, message }: ActionProgress): void {
    this.left -= 1;
    this.stopPause = this.clock.after(PAUSE_MS, () => {
      const { newest } = this;
      this.stopPause = this.newest = null;
      if (newest !== null && this.left > 0) this.tell(newest);
    });
    const isTotal = total !== null && Number.isFinite(total) && total > 0 && total >= progress;
    this.record({ type: 'step_progress', progress, total: isTotal ? total : null, message: textOf(message()) });
  }
}

/** Storable, whatever a stranger says. */
function textOf(message: string | null): string | null {
  return message === null || message === '' ? null : message.slice(0, MOST_CHARACTERS).replaceAll('\0', '').toWellFormed();
}
