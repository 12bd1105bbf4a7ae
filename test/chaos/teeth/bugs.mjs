/**
 * The bugs that the checker must find, each a change of exact text in a copy of the built program, with the load and
 * the faults that make it show: `changes` fail loudly where the product's text is no longer found.
 */
export const BUGS = {
  no_token_in_the_fence: {
    says: 'a zombie’s late result is recorded',
    changes: [
      {
        file: 'storage/batch/batch-statement.js',
        find: 'WHERE e.lease_token = u.token AND e.last_seq = u.expected',
        put: 'WHERE e.last_seq = u.expected',
      },
    ],
    only: ['very_slow', 'very_slow'],
    faults: ['late_results', 'late_batches', 'stop_node'],
  },
  ack_before_commit: {
    says: 'a start is acknowledged before it is stored',
    changes: [
      {
        file: 'storage/claiming/start-answers.js',
        find: 'this.waiters.set(runId, { resolve, reject, stopTimer });',
        put: 'this.waiters.set(runId, { resolve, reject, stopTimer });\n            resolve(Date.now());',
      },
    ],
    only: ['call'],
    // A repeated key would show it too, for another reason: nothing would tell the loser.
    keyed: 0,
    faults: ['latency', 'kill_node'],
    overlap: true,
  },
  app_clock_in_the_claim: {
    says: 'a node whose clock is ahead takes living leases',
    changes: [
      {
        file: 'storage/claiming/claim.js',
        find: '`lease_until < clock_timestamp() AND',
        put: '`lease_until < to_timestamp(${Date.now()} / 1000.0) AND',
      },
    ],
    only: ['slow', 'call'],
    faults: [],
    // One node is an hour ahead.
    nodeEnv: (index) => (index === 0 ? { CHAOS_CLOCK_MS: '3600000' } : {}),
  },
  release_without_inbox: {
    // The sweep for unread messages would wake such a run a moment later, and its alarm alone would tell: it is taken away too.
    says: 'a message that comes while a run lets go is slept through',
    changes: [
      {
        file: 'storage/batch/batch-statement.js',
        find: '(u.mode = ${MODE.held} OR e.inbox_seq = u.seen)',
        put: '(u.mode <> ${MODE.ended} OR e.inbox_seq = u.seen)',
      },
      {
        file: 'storage/upkeep/inbox-sweep.js',
        find: 'this.timer = setInterval(() => void this.sweep(), this.lease.renewEveryMs);',
        put: 'this.timer = setInterval(() => undefined, 60_000);',
      },
    ],
    only: ['parked'],
    weights: { start: 5, start_and_cancel: 60 },
    faults: ['slow_link'],
  },
  effect_before_commit: {
    says: 'an effect begins before its start is stored',
    changes: [
      {
        file: 'engine/orchestrator.js',
        find: 'if (this.outbox.isAhead && (perform.effect || this.outbox.isFarAhead))',
        put: 'if (this.outbox.isAhead && this.outbox.isFarAhead)',
      },
    ],
    only: ['call', 'call'],
    faults: ['latency', 'lost_requests'],
  },
  forgotten_compensation: {
    says: 'what was being undone when its node died is taken for undone',
    changes: [
      {
        file: 'engine/run/decide.js',
        find: 'const isEnded = !firing.undoes && (',
        put: 'const isEnded = firing.undoes !== null || (',
      },
    ],
    only: ['saga', 'saga_fatal'],
    faults: ['kill_node'],
  },
  sweep_skips_running: {
    says: 'what a crashed node held stays where it is',
    changes: [
      {
        file: 'storage/claiming/claim.js',
        find: 'AND (${TOO_LATE}) IS NOT TRUE AND attempts + ${COUNTED} NOT BETWEEN',
        put: "AND status <> 'running' AND (${TOO_LATE}) IS NOT TRUE AND attempts + ${COUNTED} NOT BETWEEN",
      },
    ],
    only: ['slow', 'call'],
    faults: ['kill_node'],
  },
  item_again: {
    says: 'an item that is over is called again after a crash',
    changes: [{ file: 'engine/action/loop.js', find: 'if (loop.over[index] || (stop && !isBegun))', put: 'if (stop && !isBegun)' }],
    only: ['many'],
    faults: ['kill_node'],
  },
  item_left_out: {
    says: 'an item that a crash met is taken for done',
    changes: [
      {
        file: 'engine/action/loop.js',
        find: 'if (loop.over[index] || (',
        put: 'if (loop.over[index] || context.find(join(path, String(index)))?.inputs || (',
      },
    ],
    only: ['many'],
    faults: ['kill_node'],
  },
  no_cascade: {
    says: 'a cancel does not reach what was called',
    changes: [
      {
        file: 'engine/patient-calls.js',
        find: 'await children.cancel(held.run.tenantId, childIds, state.cancel?.reason ?? null);',
        put: 'return;',
      },
    ],
    only: ['slow', 'sub', 'slow'],
    weights: { start_and_cancel: 60 },
    faults: [],
  },
  /** No bug: the harshest of the decks above must find nothing. */
  unbroken: {
    says: 'nothing is wrong',
    changes: [],
    only: ['very_slow', 'call'],
    faults: ['late_results', 'late_batches', 'stop_node', 'slow_link', 'lost_requests', 'kill_node'],
    rounds: 3,
  },
};
