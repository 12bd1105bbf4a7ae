/** An answer that is awaited for longer than this comes too late for a request that waits for it. */
const SILENT_AFTER_MS = 3_000;
/** For so long after an answer that never came silence is taken to go on, although nothing may be asked just now. */
const REMEMBERED_MS = 2_000;

/** Knows how long the database has owed answers to the requests of this node: a connection that looks alive may be none. */
export class DatabaseWatch {
  /** Monotonic times of the questions that are open, oldest first. */
  private readonly open = new Set<{ readonly since: number }>();
  private gaveUpAt = -Infinity;

  constructor(private readonly monotonic: () => number = () => performance.now()) {}

  /** A question leaves, or waits for a connection; the returned function says that it was answered, whatever the answer is. */
  asks(): () => void {
    const question = { since: this.monotonic() };
    this.open.add(question);
    return () => void this.open.delete(question);
  }

  /** A question was given up without an answer. */
  gaveUp(): void {
    this.gaveUpAt = this.monotonic();
  }

  /** True where a request that has waited for seconds most likely waits for the database. */
  isSilent(): boolean {
    const now = this.monotonic();
    const [oldest] = this.open;
    return now - this.gaveUpAt < REMEMBERED_MS || (oldest !== undefined && now - oldest.since >= SILENT_AFTER_MS);
  }
}
