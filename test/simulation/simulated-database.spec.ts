import { describeRunStore } from '../../src/engine/testing/run-store-conformance.js';
import { BatchWriter } from '../../src/storage/batch/batch-writer.js';
import { CommitSignals } from '../../src/storage/commit-signals.js';
import { DatabaseHistory } from '../../src/storage/connection/database-history.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { STANDARD_LEASE } from '../../src/storage/lease-term.js';
import { PostgresRunStore } from '../../src/storage/run-store.js';
import { PROCESS_TIMING } from '../../src/storage/timing.js';
import { type WriterConnection } from '../../src/storage/batch/writer-connection.js';
import { SimulatedConnection, simulatedDataSource } from './connections.js';
import { Network } from './network.js';
import { Random } from './random.js';
import { Scheduler, VirtualProcess } from './scheduler.js';
import { Server } from './server.js';
import { SimulatedDatabase } from './simulated-database.js';
import { eventOf } from './tables.js';

/** The model passes what PostgreSQL passes: the real writer over the simulated network, with a scheduler that never stops. */
describeRunStore(SimulatedDatabase.name, async () => {
  const scheduler = new Scheduler();
  let tokens = 0;
  const clock = (): number => Date.UTC(2026, 0, 1) + scheduler.now;
  const database = new SimulatedDatabase(clock, STANDARD_LEASE, () => `c${++tokens}`);
  const random = new Random(1, 'conformance');
  const server = new Server(database, scheduler, random, STANDARD_LEASE.lockTimeoutMs);
  const process = new VirtualProcess('n0.1', scheduler);
  const network = new Network(scheduler, process, server, random, clock);
  const db = simulatedDataSource(network);
  const writer = new BatchWriter(
    {
      url: '',
      connections: 2,
      leavesBeside: () => true,
      lease: STANDARD_LEASE,
      history: new DatabaseHistory(SILENT_LOG),
      log: SILENT_LOG,
      timing: PROCESS_TIMING,
      connect: () => new SimulatedConnection(network, 8_000) as unknown as WriterConnection,
    },
    new CommitSignals(),
  );
  let isOver = false;
  const tick = (): void => void scheduler.after(1, process, tick);
  tick();
  const running = scheduler.run(() => isOver);
  return {
    store: new PostgresRunStore(db, writer),
    deliver: async (tenantId, runId, kind, payload) => {
      database.deliver(runId, tenantId, kind, JSON.stringify(payload), 'test').commit?.();
    },
    claim: async (runId, token) => {
      const stored = database.executions.get(runId)!;
      stored.row = { ...stored.row, lease_token: token, claim_no: stored.row.claim_no + 1 };
    },
    read: async (runId) => {
      const stored = database.executions.get(runId);
      if (!stored) return null;
      const { row, events, result } = stored;
      return {
        row: {
          status: row.status,
          progress: row['progress'] as number,
          currentStep: row['current_step'] as string | null,
          waitingFor: row['waiting_for'] as null,
          error: row['error'] as null,
        },
        events: events.map(eventOf),
        lastSeq: row.last_seq,
        token: row.lease_token,
        inboxSeq: row.inbox_seq,
        inboxConsumed: row.inbox_consumed,
        wakeAt: row.wake_at,
        result,
        snapshot: stored.snapshot,
        cancelRequested: row.cancel_requested_at !== null,
      };
    },
    approvals: async (runId) => database.executions.get(runId)?.approvals.all ?? [],
    decide: async (tenantId, runId, id, { by, decision, comment, data }) => {
      const { answer, commit } = database.decide([runId, tenantId, id, by, decision, comment, JSON.stringify(data), false], 'test');
      commit?.();
      return (answer as { verdict: string }[])[0]?.verdict ?? null;
    },
    close: async () => {
      await writer.close(1_000);
      isOver = true;
      await running;
    },
  };
});
