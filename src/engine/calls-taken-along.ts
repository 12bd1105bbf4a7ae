/** What the calls of a run need to be taken along. */
export interface CallsOf {
  /** Resolves when the cancels are stored, or the run is over here. */
  cancel(childIds: readonly string[]): Promise<void>;
  /** Whether it is born with the unit that is in flight: until that is settled nobody can be told. */
  isBeingBorn(childId: string): boolean;
  /** The cancels are stored: the run may write again. */
  told(): void;
}

/**
 * Executions that a run has called and waits for no more: they are cancelled before the run writes anything further, for then nobody else would know
 * whom to tell (D27, D29).
 */
export class CallsTakenAlong {
  private underWay = 0;
  private unborn: string[] = [];

  constructor(private readonly calls: CallsOf) {}

  /** Nothing may be written meanwhile. Who is being born keeps the run from writing anyway: their unit is in flight. */
  get isUnderWay(): boolean {
    return this.underWay > 0;
  }

  take(childIds: readonly string[]): void {
    const there: string[] = [];
    for (const id of childIds) (this.calls.isBeingBorn(id) ? this.unborn : there).push(id);
    if (there.length > 0) this.tell(there);
  }

  /** The unit in flight is settled: who was to be born with it is there now, or never will be. */
  settled(): void {
    if (this.unborn.length > 0) this.tell(this.unborn.splice(0));
  }

  private tell(childIds: readonly string[]): void {
    this.underWay += 1;
    void this.calls.cancel(childIds).then(() => {
      this.underWay -= 1;
      this.calls.told();
    });
  }
}
