import { type DataSource } from 'typeorm';
import { type StoredRun } from '../../src/engine/testing/memory-run-store.js';
import { type StoredApproval } from '../../src/engine/testing/memory-approvals.js';
import { TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { type RowState, type RunSnapshot } from '../../src/engine/ports.js';
import { type Json } from '../../src/engine/values.js';
import { ApprovalDecisions } from '../../src/storage/approval-decisions.js';
import { ApprovalRepository } from '../../src/storage/repositories/approval.repository.js';
import { BatchWriter } from '../../src/storage/batch/batch-writer.js';
import { CommitSignals } from '../../src/storage/commit-signals.js';
import { DatabaseHistory } from '../../src/storage/connection/database-history.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { readHistories } from '../../src/storage/history/history.js';
import { HeldRuns } from '../../src/storage/claiming/held-runs.js';
import { Inbox } from '../../src/storage/inbox.js';
import { InboxSweep } from '../../src/storage/upkeep/inbox-sweep.js';
import { LeaseRenewal } from '../../src/storage/claiming/lease-renewal.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { type Log, SILENT_LOG } from '../../src/storage/log.js';
import { Notifications } from '../../src/storage/connection/notifications.js';
import { QueueDepth, type QueueLimits } from '../../src/storage/claiming/queue-depth.js';
import { RunQueue } from '../../src/storage/claiming/run-queue.js';
import { PostgresRunStore } from '../../src/storage/run-store.js';
import { type Timing } from '../../src/storage/timing.js';
import { createMigratedDatabase } from './migrated-database.js';
import { type Stalls } from './stalls.js';

export { createMigratedDatabase };

/** The storage of one node, as the service wires it. */
export interface StorageNode {
  readonly db: DataSource;
  readonly signals: CommitSignals;
  readonly writer: BatchWriter;
  readonly store: PostgresRunStore;
  readonly notifications: Notifications;
  readonly held: HeldRuns;
  readonly inbox: Inbox;
  readonly approvals: ApprovalDecisions;
  readonly queue: RunQueue;
  /** Not started. */
  readonly renewal: LeaseRenewal;
  /** Not started. */
  readonly inboxSweep: InboxSweep;
  readonly lease: LeaseTerm;
  readonly history: DatabaseHistory;
  close(): Promise<void>;
}

export interface StorageOptions {
  /** How the writer reaches the database, where that is not the way everybody goes. */
  readonly writerUrl?: string;
  readonly log?: Log;
  /** Of the writer. */
  readonly connections?: number;
  readonly leaseMs?: number;
  /** Instead of `leaseMs`. */
  readonly lease?: LeaseTerm;
  readonly queue?: QueueLimits;
  /** Stops the writer at named points. */
  readonly stalls?: Stalls;
  /** Clocks and timers of the queue. */
  readonly timing?: Timing;
}

export async function openStorage(url: string, options: StorageOptions = {}): Promise<StorageNode> {
  const { log = SILENT_LOG, writerUrl = url, connections = 2, stalls, timing } = options;
  const lease = options.lease ?? new LeaseTerm(options.leaseMs ?? 15_000);
  const history = new DatabaseHistory(log);
  const db = createDataSource(url, { poolSize: 4, lease, history, log });
  await db.initialize();
  const signals = new CommitSignals();
  const stalling = stalls && { connect: () => stalls.connection(writerUrl, lease, history, log) };
  // Two batches at once as often as can be: what is to be tested comes in small numbers.
  const writer = new BatchWriter({ url: writerUrl, connections, leavesBeside: () => true, lease, history, log, ...stalling }, signals);
  const store = new PostgresRunStore(db, writer);
  const notifications = new Notifications(url, history, log);
  await notifications.start();
  const held = new HeldRuns(signals, lease);
  const depth = new QueueDepth(db, options.queue ?? { perTenant: 100_000, total: 1_000_000 }, log);
  const queue = new RunQueue(db, store, held, signals, notifications, lease, depth, log, timing);
  const renewal = new LeaseRenewal(url, lease, held, signals, history, log);
  const inbox = new Inbox(db, signals, notifications, queue.wake);
  const inboxSweep = new InboxSweep(db, lease, queue.wake, log);
  return {
    db,
    signals,
    writer,
    store,
    notifications,
    held,
    inbox,
    approvals: new ApprovalDecisions(db, inbox),
    queue,
    renewal,
    inboxSweep,
    lease,
    history,
    close: async () => {
      await inboxSweep.stop();
      await queue.stop();
      await renewal.stop();
      await writer.close(1_000);
      await notifications.close();
      await db.destroy();
    },
  };
}

interface ExecutionColumns {
  readonly status: RowState['status'];
  readonly progress: number;
  readonly current_step: string | null;
  readonly waiting_for: RowState['waitingFor'];
  readonly error: RowState['error'];
  readonly last_seq: number;
  readonly lease_token: string | null;
  readonly inbox_seq: number;
  readonly inbox_consumed: number;
  readonly wake_at: Date | null;
  readonly cancel_requested_at: Date | null;
}

/** What the table says of the approvals of a run, in the conformance suite's words. */
export async function readApprovals(db: DataSource, runId: string): Promise<StoredApproval[]> {
  const states = await db.query<{ id: string; state: StoredApproval['state'] }[]>(
    `SELECT id, state FROM approval WHERE execution_id = $1`,
    [runId],
  );
  const stateOf = new Map(states.map(({ id, state }) => [id, state]));
  const filter = { state: null, executionId: runId, path: null, decidableBy: null };
  const { items } = await new ApprovalRepository(db).list(TEST_TENANT, filter, { before: null, limit: 500 });
  return items.toReversed().map(({ id, step, wave, title, quorum, requestedBy, decisions, expiresAt }) => ({
    id,
    step,
    wave,
    title,
    quorum,
    requestedBy,
    state: stateOf.get(id)!,
    decisions: decisions.map(({ by, decision }) => ({ by, decision })),
    expiresAt,
  }));
}

/** What the tables say of a run, in the conformance suite's words. */
export async function readStoredRun(db: DataSource, runId: string): Promise<StoredRun | null> {
  const [row] = await db.query<ExecutionColumns[]>(`SELECT * FROM execution WHERE id = $1`, [runId]);
  if (row === undefined) return null;
  const seqs = await db.query<{ seq: number }[]>(`SELECT seq FROM execution_event WHERE execution_id = $1 ORDER BY seq`, [runId]);
  if (seqs.some(({ seq }, index) => seq !== index + 1)) throw new Error(`the history of ${runId} has gaps`);
  const results = await db.query<{ result: Json }[]>(
    `SELECT coalesce(p.result, b.body) AS result FROM execution_payload p
     LEFT JOIN execution_blob b ON b.execution_id = p.execution_id AND b.seq = p.result_seq AND b.part = p.result_part
     WHERE p.execution_id = $1 AND coalesce(p.result, b.body) IS NOT NULL`,
    [runId],
  );
  const snapshots = await db.query<RunSnapshot[]>(`SELECT seq, state FROM execution_snapshot WHERE execution_id = $1`, [runId]);
  if (snapshots.length > 1) throw new Error(`${runId} has ${snapshots.length} snapshots`);
  return {
    snapshot: snapshots[0] ?? null,
    row: { status: row.status, progress: row.progress, currentStep: row.current_step, waitingFor: row.waiting_for, error: row.error },
    events: (await readHistories(db, [runId])).get(runId) ?? [],
    lastSeq: row.last_seq,
    token: row.lease_token,
    inboxSeq: row.inbox_seq,
    inboxConsumed: row.inbox_consumed,
    wakeAt: row.wake_at === null ? null : row.wake_at.getTime(),
    result: results[0]?.result,
    cancelRequested: row.cancel_requested_at !== null,
  };
}
