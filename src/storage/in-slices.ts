import { setImmediate } from 'node:timers/promises';

/** Milliseconds for which the event loop may be held: a fifth of what anything may take. */
const SLICE_MS = 10;

/** Does work that comes in parts, and lets the event loop turn between slices of them. Throws what the work throws. */
export async function inSlices<Result>(parts: Iterator<void, Result, void>): Promise<Result> {
  for (;;) {
    const end = performance.now() + SLICE_MS;
    do {
      const part = parts.next();
      if (part.done) return part.value;
    } while (performance.now() < end);
    await setImmediate();
  }
}
