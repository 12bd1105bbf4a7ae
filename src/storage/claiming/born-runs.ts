import { heldAtBirth } from '../../engine/births.js';
import { type HeldRun, type Unit } from '../../engine/ports.js';
import { type Handover } from './handover.js';
import { type HeldRuns } from './held-runs.js';
import { type QueueDepth } from './queue-depth.js';
import { type Timing } from '../timing.js';

/** Called runs begun in one turn of the loop. */
const BEGIN_AT_ONCE = 100;

/** Called runs that were stored with a unit of their caller: those that were born for this node begin, the others wait for whoever has room. */
export class BornRuns {
  /** Those that this node holds and has not begun yet. */
  private readonly waiting: HeldRun[] = [];
  private beginning = false;

  /** @param due called where rows without a holder have become due */
  constructor(
    private readonly held: HeldRuns,
    private readonly handover: Handover,
    private readonly depth: QueueDepth,
    private readonly timing: Timing,
    private readonly due: () => void,
  ) {}

  /** @param at database time of the unit's commit, epoch ms. @param sentAt monotonic time at which it was sent */
  stored({ children, tenantId }: Unit, at: number, sentAt: number | null): void {
    let queued = 0;
    for (const child of children) {
      const { run, token, ended } = child;
      if (ended !== null) continue;
      if (token === null) {
        queued += 1;
        continue;
      }
      // Its lease ran out before the commit was known, and it was claimed here: one run of it is enough (D14).
      if (this.held.has(run.id)) continue;
      this.held.add(run.id, token, 0, true, sentAt ?? undefined);
      this.waiting.push(heldAtBirth(child, token, at));
    }
    if (this.waiting.length > 0 && !this.beginning) this.begin();
    if (queued === 0) return;
    this.depth.note(tenantId, queued);
    this.due();
  }

  /** Hands over all that wait, at once. */
  flush(): void {
    for (const run of this.waiting.splice(0)) this.handover.hand(run);
  }

  /** Some in each turn of the loop: a batch may bring thousands, and beginning one takes a while. */
  private begin(): void {
    for (const run of this.waiting.splice(0, BEGIN_AT_ONCE)) this.handover.hand(run);
    this.beginning = this.waiting.length > 0;
    if (this.beginning) this.timing.after(0, () => this.begin());
  }
}
