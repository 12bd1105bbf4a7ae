/** Stands in for src/status/masking-thread-program.ts in tests: threads know nothing of what jest does to the sources. */
export const THREAD_PROGRAM: URL = new URL('./run-masking.mjs', import.meta.url);
