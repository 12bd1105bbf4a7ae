/** One line of what happened. */
export interface HistoryEntry {
  /** Virtual milliseconds. */
  readonly at: number;
  /** The execution it is about; null: the world. */
  readonly runId: string | null;
  readonly who: string;
  readonly what: string;
}

/** A promise that was broken. */
export interface Violation {
  readonly at: number;
  readonly rule: string;
  readonly runId: string | null;
  readonly message: string;
}

/** What happened in one simulation, for checks that look back and for whoever reads a failure. */
export class History {
  readonly entries: HistoryEntry[] = [];
  readonly violations: Violation[] = [];

  constructor(private readonly now: () => number) {}

  note(runId: string | null, who: string, what: string): void {
    this.entries.push({ at: this.now(), runId, who, what });
  }

  violate(rule: string, runId: string | null, message: string): void {
    this.violations.push({ at: this.now(), rule, runId, message });
    this.note(runId, '!', `VIOLATION ${rule}: ${message}`);
  }

  /** What concerns one execution and the world around it, up to its violation. */
  slice({ runId, at }: Violation, most = 60): string[] {
    return this.entries
      .filter((entry) => entry.at <= at && (entry.runId === null || runId === null || entry.runId === runId))
      .slice(-most)
      .map((entry) => `${entry.at.toFixed(1).padStart(10)}  ${entry.who.padEnd(6)} ${entry.runId ?? ''} ${entry.what}`);
  }
}
