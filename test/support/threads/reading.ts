/** Stands in for src/catalog/reading-thread-program.ts in tests: threads know nothing of what jest does to the sources. */
export const THREAD_PROGRAM: URL = new URL('./run-reading.mjs', import.meta.url);
