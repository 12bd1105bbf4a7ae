/** Stands in for src/outbound/answer-thread-program.ts in tests: threads know nothing of what jest does to the sources. */
export const THREAD_PROGRAM: URL = new URL('./run-answer.mjs', import.meta.url);
