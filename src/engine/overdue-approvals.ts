import { type ApprovalState } from './approvals.js';
import { type Clock, type RunStore } from './ports.js';

/** After so long the store is asked again, where it failed or its clock is behind. */
const ASK_AGAIN_MS = 500;

/** An approval whose time is over, as the engine names it. */
export interface Overdue {
  readonly step: number;
  readonly wave: number;
  /** Of the step. */
  readonly name: string;
}

/** What is asked of the run whose approvals they are. */
export interface OverdueRun {
  readonly store: Pick<RunStore, 'expireApproval'>;
  readonly tenantId: string;
  readonly runId: string;
  readonly clock: Clock;
  /** Resolves once everything decided so far is committed: with it, the approval. Never where the run is over here. */
  committed(): Promise<void>;
  /** True where nobody may decide for the run here any more. */
  isOver(): boolean;
  /** No decision can be taken any more. */
  expired(overdue: Overdue): void;
  /** A decision came in time, and is in the inbox. */
  decided(): void;
  unheard(error: unknown): void;
}

/**
 * Whether an approval has expired is decided where decisions are: at its row. So a decision that was acknowledged is never passed over for one that
 * came too late, and none is taken after the run went on without it.
 */
export class OverdueApprovals {
  private readonly asking = new Set<string>();

  constructor(private readonly run: OverdueRun) {}

  ask(overdue: Overdue): void {
    const key = `${overdue.step} ${overdue.wave}`;
    if (this.asking.has(key)) return;
    this.asking.add(key);
    void this.run.committed().then(() => this.send(overdue, () => this.asking.delete(key)));
  }

  private send(overdue: Overdue, over: () => void): void {
    const { run } = this;
    if (run.isOver()) return over();
    const again = (): void => void run.clock.after(ASK_AGAIN_MS, () => this.send(overdue, over));
    run.store.expireApproval(run.tenantId, run.runId, overdue.name, overdue.wave).then(
      (state) => {
        if (state === 'open') return again();
        over();
        if (isDecided(state)) run.decided();
        else run.expired(overdue);
      },
      (error: unknown) => {
        run.unheard(error);
        again();
      },
    );
  }
}

const isDecided = (state: ApprovalState | null): boolean => state === 'approved' || state === 'rejected';
