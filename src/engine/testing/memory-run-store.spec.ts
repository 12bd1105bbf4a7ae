import { MemoryRunStore } from './memory-run-store.js';
import { describeRunStore } from './run-store-conformance.js';

describeRunStore(MemoryRunStore.name, () => {
  const store = new MemoryRunStore();
  return Promise.resolve({
    store,
    deliver: (tenantId, runId, kind, payload) => Promise.resolve(store.deliver(tenantId, runId, kind, payload)),
    claim: (runId, token) => Promise.resolve(store.claim(runId, token)),
    read: (runId) => Promise.resolve(store.read(runId)),
    approvals: (runId) => Promise.resolve(store.approvalsOf(runId)),
    decide: (tenantId, runId, id, decision) => Promise.resolve(store.decide(tenantId, runId, id, decision)),
    close: () => Promise.resolve(),
  });
});
