// Preloaded into the copy of the service (node --import): what its fault points do, and a clock that is wrong where that is asked for.
// CHAOS_NODE: its number. CHAOS_POINT: `<name>:<exit|stall>:<n>[:<ms>]`, at the n-th time that point is reached. CHAOS_STALLS: where stalls are written
// down. CHAOS_CLOCK_MS: how far the clock is off; of several numbers, `0,3600000`, the next one every ten seconds.
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { holderOf } from './holder.mjs';

const CLOCK_JUMPS_EVERY_MS = 10_000;
const { CHAOS_NODE, CHAOS_POINT, CHAOS_STALLS, CHAOS_CLOCK_MS } = process.env;
// No node outlives the checker, however that ended. Its threads load this as well, and may end.
if (isMainThread) {
  process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGKILL'));
  process.stdin.unref?.();
}
globalThis.chaosNode = CHAOS_NODE ?? '?';
globalThis.chaosHolder = holderOf(CHAOS_NODE ?? 'f', process.pid);
globalThis.chaosTokenSql = `overlay(gen_random_uuid()::text PLACING '${globalThis.chaosHolder}' FROM 32)::uuid`;

if (CHAOS_POINT !== undefined) {
  const [name, action, count, ms] = CHAOS_POINT.split(':');
  let left = Number(count);
  globalThis.chaosPoint = (reached) => {
    if (reached !== name || (left -= 1) !== 0) return;
    const wall = Date.now();
    const note = (until) =>
      appendFileSync(CHAOS_STALLS, `${JSON.stringify({ node: Number(CHAOS_NODE), point: CHAOS_POINT, wall, until })}\n`);
    if (action === 'exit') {
      note(wall);
      process.kill(process.pid, 'SIGKILL');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // the signal comes a moment later; nothing runs until then
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    note(Date.now());
  };
}

const shifts = (CHAOS_CLOCK_MS ?? '0').split(',').map(Number);
if (shifts.some((ms) => ms !== 0)) {
  const RealDate = Date;
  // The monotonic clock goes on as it does where an administrator sets the other one.
  const shift = () => shifts[Math.floor(performance.now() / CLOCK_JUMPS_EVERY_MS) % shifts.length];
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + shift());
      else super(...args);
    }
    static now() {
      return RealDate.now() + shift();
    }
  };
}
