import { type BornChild, type HeldRun, type RowState, type Unit } from './ports.js';
import { type RunEvent } from './run/events.js';

/** The first event of a run that is stored before anybody has begun it; whoever takes it up goes on from there. */
const BIRTH: readonly RunEvent[] = [{ type: 'execution_started' }];
/** The event with which an execution begins. @param requesters who started it, and who started those it was made from; none: nobody is authenticated */
export const startedBy = (requesters: readonly string[] = []): RunEvent =>
  requesters.length === 0 ? BIRTH[0]! : { type: 'execution_started', requesters };

/** The row of a run that waits for somebody to begin it. */
export const PENDING: RowState = { status: 'pending', progress: 0, currentStep: null, waitingFor: null, error: null };

/** Whether some of these may not be born once a cancel of their caller was acknowledged (D29): what is still to begin, but to undo what that did. */
export const fallsToCancel = (children: readonly BornChild[]): boolean => children.some(({ ended, undoes }) => ended === null && !undoes);

/** What is stored of a called run with the unit it is born with: that it is to begin, or all of it. */
export function birthOf({ run, token, ended }: BornChild): Unit {
  return {
    runId: run.id,
    tenantId: run.tenantId,
    token,
    create: run,
    expectedSeq: 0,
    events: ended?.events ?? [startedBy(run.requesters)],
    row: ended?.row ?? (token === null ? PENDING : { ...PENDING, status: 'running' }),
    end: ended && { result: ended.result },
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
  const { row, events } = birthOf(child);
  return {
    run: child.run,
    token,
    claimNo: 1,
    history: { snapshot: null, events, lastSeq: events.length, row, inboxConsumed: 0, inboxSeq: 0, createdAt: at, attempts: 0 },
  };
}
