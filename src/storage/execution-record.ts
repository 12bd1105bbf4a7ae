import { type RunErrorDetails, type RunStatus } from '../engine/run/events.js';
import { type WaitingFor } from '../engine/ports.js';
import { type JsonObject } from '../engine/values.js';

/** One row of `execution` as readers need it: ids as decimal text, times as epoch milliseconds. Payloads are not part of it. */
export interface ExecutionRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly catalogId: string;
  readonly path: string;
  readonly playbookName: string;
  /** Resolved, canonical (1.2.0). */
  readonly version: string;
  /** What answers show: as the request wrote it where it named one exact version. */
  readonly shownVersion: string;
  readonly requestedVersion: string;
  readonly executionType: 'playbook' | 'tool' | 'model' | 'workflow';
  readonly digest: string;
  readonly merge: boolean;
  readonly metadata: JsonObject | null;
  readonly parentExecutionId: string | null;
  readonly parentEventId: string | null;
  readonly parentStep: string | null;
  readonly forkedFrom: string | null;
  readonly priority: number;
  readonly startAt: number | null;
  readonly expiresAt: number | null;
  readonly timeoutAt: number | null;
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
