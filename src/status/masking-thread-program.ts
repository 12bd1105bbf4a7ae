/** What the thread that masks large values runs. */
export const THREAD_PROGRAM: URL = new URL('./masking-thread.js', import.meta.url);
