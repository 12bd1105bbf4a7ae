/** Stands in for src/catalog/thread-program.ts in tests: threads know nothing of what jest does to the sources. */
export const THREAD_PROGRAM: URL = new URL('./reading-thread.mjs', import.meta.url);
