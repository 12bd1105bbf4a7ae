import { describeRunStore } from '../../src/engine/testing/run-store-conformance.js';
import { PostgresRunStore } from '../../src/storage/run-store.js';
import { createMigratedDatabase, openStorage, readApprovals, readStoredRun } from '../support/storage.js';

describeRunStore(PostgresRunStore.name, async () => {
  const database = await createMigratedDatabase();
  const node = await openStorage(database.url);
  // Runs that are born here are driven by the tests; else the queue would give them back for whoever has room.
  node.queue.consume({ capacity: () => 0, take: () => undefined, takeEphemeral: () => undefined, holdsSuspect: () => false });
  return {
    store: node.store,
    deliver: (tenantId, runId, kind, payload) => node.inbox.deliver(tenantId, runId, kind, payload),
    claim: async (runId, token) => {
      await node.db.query(`UPDATE execution SET lease_token = $2, claim_no = claim_no + 1 WHERE id = $1`, [runId, token]);
    },
    read: (runId) => readStoredRun(node.db, runId),
    approvals: (runId) => readApprovals(node.db, runId),
    decide: (tenantId, executionId, approvalId, { by, decision, comment, data }) =>
      node.approvals.decide({ tenantId, executionId, approvalId, by, decision, comment, data, mayRepeat: false }),
    close: async () => {
      await node.close();
      await database.drop();
    },
  };
});
