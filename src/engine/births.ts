import { type BornChild, type HeldRun, type RowState, type Unit } from './ports.js';
import { type RunEvent } from './run/events.js';

/** The first event of a run that is stored before anybody has begun it; whoever takes it up goes on from there. */
export const BIRTH: readonly RunEvent[] = [{ type: 'execution_started' }];
/** The row of a run that waits for somebody to begin it. */
export const PENDING: RowState = { status: 'pending', progress: 0, currentStep: null, waitingFor: null, error: null };

/** Whether some of these may not be born once a cancel of their caller was acknowledged (D29): all but those that undo what it did. */
export const fallsToCancel = (children: readonly BornChild[]): boolean => children.some(({ undoes }) => !undoes);

/** What is stored of a called run before it does anything. */
export function birthOf({ run, token }: BornChild): Unit {
  return {
    runId: run.id,
    tenantId: run.tenantId,
    token,
    create: run,
    expectedSeq: 0,
    events: BIRTH,
    row: token === null ? PENDING : { ...PENDING, status: 'running' },
    end: null,
    release: null,
    seenInbox: 0,
    recordsProgress: false,
    snapshot: null,
    children: [],
    parent: null,
  };
}

/** A called run as the node takes it up that it was born on, right after the commit. @param at database time of that, epoch ms */
export function heldAtBirth(child: BornChild, token: string, at: number): HeldRun {
  const { row } = birthOf(child);
  return {
    run: child.run,
    token,
    claimNo: 1,
    history: { snapshot: null, events: BIRTH, lastSeq: BIRTH.length, row, inboxConsumed: 0, inboxSeq: 0, createdAt: at, attempts: 0 },
  };
}
