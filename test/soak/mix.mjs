import { setTimeout as sleep } from 'node:timers/promises';

const KIBIBYTE = 1024;

/**
 * What is started, how often, and how it must end. To add a kind, add an entry.
 * - `wait`: the start waits for the end (`Prefer: wait`) and its latency counts; else somebody may follow the execution
 * - `then`: what else callers do to it
 */
export const KINDS = {
  pure: { weight: 50, playbook: 'pure', wait: true },
  three: { weight: 14, playbook: 'three', wait: true },
  fan_out: { weight: 1, playbook: 'fan_out', wait: true },
  effects: { weight: 10, playbook: 'effects', wait: true },
  keyed: { weight: 4, playbook: 'pure', wait: true, keyed: true },
  medium: { weight: 8, playbook: 'carry', wait: true, parameters: (random) => ({ blob: text(random, random.int(2, 16)) }) },
  large: { weight: 0.1, playbook: 'carry', wait: true, parameters: (random) => ({ blob: text(random, random.int(270, 600)) }) },
  python: { weight: 0.5, playbook: 'python', wait: true },
  fire: { weight: 3.4, playbook: 'three' },
  waits: { weight: 3, playbook: 'waits', parameters: (random) => ({ seconds: random.int(10, 50) / 10 }) },
  // Long enough to leave the memory of the node.
  long_waits: { weight: 1, playbook: 'waits', parameters: (random) => ({ seconds: random.int(60, 100) / 10 }) },
  signals: { weight: 2, playbook: 'signal', then: signal },
  cancels: { weight: 1.5, playbook: 'waits', parameters: () => ({ seconds: 60 }), end: 'cancelled', then: cancel },
  failing: { weight: 1.5, playbook: 'failing', wait: true, end: 'failed' },
};

/** What callers read; in proportion to each other. */
export const READS = {
  status: { weight: 70, run: ({ load, recent }) => load.expect(200, 'GET', `/executions/${recent}`) },
  events: { weight: 15, run: ({ load, recent }) => load.expect(200, 'GET', `/executions/${recent}/events`) },
  list: { weight: 9, run: ({ load }) => load.expect(200, 'GET', '/executions?limit=50') },
  list_failed: { weight: 3, run: ({ load }) => load.expect(200, 'GET', '/executions?limit=50&status=failed') },
  list_path: { weight: 3, run: ({ load }) => load.expect(200, 'GET', '/executions?limit=50&path=soak/carry') },
};

/** How a caller learns of the end of what it did not wait for at once. */
export const FOLLOWERS = {
  nobody: { weight: 40, run: async () => undefined },
  long_poll: { weight: 30, run: longPoll },
  stream: { weight: 25, run: ({ load, id, end }) => load.stream(id, end) },
  /** Goes away in the middle. */
  broken_stream: { weight: 5, run: ({ load, id, end }) => load.stream(id, end, 300) },
};

const POLLS = 4;

async function longPoll({ load, id, end }) {
  for (let polls = 0; polls < POLLS; polls++) {
    const answer = await load.expect(200, 'GET', `/executions/${id}?wait=20`);
    if (answer === null || answer.status === end) return;
  }
  load.ledger.violate('long_poll', `execution ${id} is not ${end} after ${POLLS} long polls`);
}

async function signal({ load, id, random }) {
  await sleep(random.chance(0.3) ? 0 : random.int(100, 4_000));
  await load.insist(202, 'POST', `/executions/${id}/signal`, { name: 'go', payload: { by: 'soak' } });
}

async function cancel({ load, id, random }) {
  await sleep(random.int(50, 7_000));
  await load.insist(202, 'POST', `/executions/${id}/cancel`, { reason: 'soak' });
}

/** Text that compresses badly. */
function text(random, kibibytes) {
  const parts = [];
  for (let length = 0; length < kibibytes * KIBIBYTE; length += 10) parts.push(random.next().toString(36).slice(2, 12).padEnd(10, '-'));
  return parts.join('');
}
