import {
  type ApprovalDecision,
  type ApprovalOutcome,
  type ApprovalState,
  type ApprovalTaken,
  type NewApproval,
  type UnitApprovals,
} from '../approvals.js';

/** What a store keeps of one approval, for tests to look at. */
export interface StoredApproval {
  readonly id: string;
  readonly step: string;
  readonly wave: number;
  readonly title: string;
  readonly quorum: number;
  readonly requestedBy: readonly string[];
  readonly state: ApprovalState;
  readonly decisions: readonly Pick<ApprovalDecision, 'by' | 'decision'>[];
  /** Epoch milliseconds. */
  readonly expiresAt: number | null;
}

type Verdict = 'taken' | 'repeated' | 'closed' | 'expired';

/** The rules of decisions in plain code, as the statements of storage have them in SQL (approval-decisions.ts, approval-parts.ts). Changes are new lists. */
export class MemoryApprovals {
  private constructor(readonly all: readonly StoredApproval[]) {}

  static readonly NONE = new MemoryApprovals([]);

  /** Together with the unit that they belong to. */
  withUnit({ opens, closes, closesAll }: UnitApprovals): MemoryApprovals {
    const isClosed = ({ step, wave }: StoredApproval): boolean =>
      closesAll || closes.some((closed) => closed.step === step && closed.wave === wave);
    return new MemoryApprovals([
      ...this.all.map((each) => (each.state === 'open' && isClosed(each) ? { ...each, state: 'cancelled' as const } : each)),
      ...opens.map(stored),
    ]);
  }

  /** @param now epoch milliseconds. @returns the approvals then, and what the execution is told */
  decide(id: string, decision: ApprovalDecision, now: number): { verdict: Verdict; then: MemoryApprovals; told: ApprovalTaken | null } {
    const one = this.all.find((each) => each.id === id);
    const verdict = one ? verdictOf(one, decision, now) : 'closed';
    if (!one || verdict !== 'taken') return { verdict, then: this, told: null };
    const decisions = [...one.decisions, { by: decision.by, decision: decision.decision }];
    const outcome: ApprovalOutcome | null =
      decision.decision === 'reject' ? 'rejected' : decisions.length >= one.quorum ? 'approved' : null;
    const then = this.with({ ...one, decisions, state: outcome ?? 'open' });
    return { verdict, then, told: { approval_id: id, step: one.step, wave: one.wave, decision, outcome } };
  }

  /** See RunStore.expireApproval. */
  expire(step: string, wave: number, now: number): { state: ApprovalState | null; then: MemoryApprovals } {
    const one = this.all.find((each) => each.step === step && each.wave === wave);
    if (one?.state !== 'open' || one.expiresAt === null || one.expiresAt > now) return { state: one?.state ?? null, then: this };
    return { state: 'expired', then: this.with({ ...one, state: 'expired' }) };
  }

  private with(changed: StoredApproval): MemoryApprovals {
    return new MemoryApprovals(this.all.map((each) => (each.id === changed.id ? changed : each)));
  }
}

function verdictOf({ state, expiresAt, decisions }: StoredApproval, { by }: ApprovalDecision, now: number): Verdict {
  if (state === 'expired' || (state === 'open' && expiresAt !== null && expiresAt <= now)) return 'expired';
  if (state !== 'open') return 'closed';
  return decisions.some((each) => each.by === by) ? 'repeated' : 'taken';
}

const stored = ({ id, step, wave, title, quorum, requesters, expiresAt }: NewApproval): StoredApproval => ({
  id,
  step,
  wave,
  title,
  quorum,
  requestedBy: requesters,
  state: 'open',
  decisions: [],
  expiresAt,
});
