import { type RunId } from '../../engine/ports.js';
import { type CommitSignals } from '../commit-signals.js';
import { type HeldRuns } from './held-runs.js';
import { INBOX_CHANNEL, type Notifications } from '../connection/notifications.js';
import { type Timing } from '../timing.js';

/** A called run ended: the one that waits for it hears soon, where it is held here without a question to the database. */
export class CallerHints {
  /** Callers that were not told yet, each once for a whole batch. */
  private readonly waiting = new Set<RunId>();

  /** @param due called where rows without a holder may have become due */
  constructor(
    private readonly held: HeldRuns,
    private readonly signals: CommitSignals,
    private readonly notifications: Notifications,
    private readonly timing: Timing,
    private readonly due: () => void,
  ) {}

  tell(callerId: RunId): void {
    if (this.waiting.size === 0) this.timing.after(0, this.tellAll);
    this.waiting.add(callerId);
  }

  private readonly tellAll = (): void => {
    let away = false;
    for (const callerId of this.waiting) {
      if (this.held.has(callerId)) {
        this.signals.inboxMoved(callerId);
        continue;
      }
      away = true;
      this.notifications.notify(INBOX_CHANNEL, callerId);
    }
    this.waiting.clear();
    if (away) this.due();
  };
}
