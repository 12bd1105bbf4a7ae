import { type RunErrorDetails, type RunStatus } from '../engine/run/events.js';
import { type NewRun, type WaitingFor } from '../engine/ports.js';
import { type JsonObject } from '../engine/values.js';

/** One row of `execution` as readers need it: ids as decimal text, times as epoch milliseconds. Payloads are not part of it. */
export interface ExecutionRecord extends Omit<
  NewRun,
  'parameters' | 'workload' | 'metadata' | 'idempotency' | 'kept' | 'parent' | 'requesters'
> {
  readonly metadata: JsonObject | null;
  readonly status: RunStatus;
  readonly progress: number;
  readonly currentStep: string | null;
  readonly waitingFor: WaitingFor | null;
  readonly error: RunErrorDetails | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
  readonly cancelRequestedAt: number | null;
  readonly pauseRequestedAt: number | null;
  readonly lastSeq: number;
}

/** What lists show of a row. */
export type ListedExecution = Omit<
  ExecutionRecord,
  'tenantId' | 'version' | 'merge' | 'cancelRequestedAt' | 'pauseRequestedAt' | 'lastSeq'
>;
