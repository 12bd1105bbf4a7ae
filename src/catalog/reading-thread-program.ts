/** What a reading thread runs. */
export const THREAD_PROGRAM: URL = new URL('./reading-thread.js', import.meta.url);
