/** What the thread for large answers runs. */
export const THREAD_PROGRAM: URL = new URL('./answer-thread.js', import.meta.url);
