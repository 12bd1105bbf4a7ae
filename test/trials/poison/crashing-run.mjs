// Preloaded into the copy of the service (node --import): whoever works on an execution whose metadata asks for it crashes or stands still. The
// copy calls it where it takes up a claimed run and where an effect begins; each time is written down before it happens.
import { appendFileSync } from 'node:fs';

const { CHAOS_NODE, TRIAL_CRASHES, LEASE_SECONDS } = process.env;
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const HOW = {
  kill: () => {
    process.kill(process.pid, 'SIGKILL');
    sleep(Infinity); // the signal comes a moment later; nothing runs until then
  },
  abort: () => process.abort(),
  exit: () => process.exit(3),
  memory: () => {
    for (const all = []; ;) all.push(Array.from({ length: 1_000_000 }, (_, i) => ({ i })));
  },
  overflow: () => HOW.overflow() + 1,
  /** Long enough for every lease of this node to go elsewhere. */
  hang: () => sleep(2 * Number(LEASE_SECONDS) * 1000),
  loop: () => {
    for (const until = performance.now() + 2 * Number(LEASE_SECONDS) * 1000; performance.now() < until;);
  },
};

globalThis.trialPoison = (where, run) => {
  const wish = run.metadata?.trial;
  if (wish?.where !== where) return;
  appendFileSync(TRIAL_CRASHES, `${JSON.stringify({ execution: run.id, node: Number(CHAOS_NODE), how: wish.how, at: Date.now() })}\n`);
  HOW[wish.how]();
};
