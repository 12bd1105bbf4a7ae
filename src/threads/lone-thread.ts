import { type Transferable } from 'node:worker_threads';
import { AskedThread, type ThreadSettings } from './asked-thread.js';

/** A thread that nobody has asked for so long is ended: its memory is for others. */
const IDLE_MS = 10_000;

/** One thread for whoever asks, in order of arrival. It begins with the first question, and again where it has ended. */
export class LoneThread<Question, Answer> {
  private thread: AskedThread<Question, Answer> | null = null;
  private last: Promise<unknown> = Promise.resolve();
  private idle: NodeJS.Timeout | undefined;
  private open = 0;

  constructor(private readonly settings: ThreadSettings) {}

  /**
   * @param signal ends the wait, and the thread where it works on this question: others wait for it
   * @throws see AskedThread.ask; the reason of `signal`
   */
  ask(question: Question, transfer: readonly Transferable[], signal?: AbortSignal): Promise<Answer> {
    this.open += 1;
    clearTimeout(this.idle);
    const answered = this.last.then(() => {
      signal?.throwIfAborted();
      if (!this.thread?.alive) this.thread = new AskedThread(this.settings);
      return answerOf(this.thread, question, transfer, signal);
    });
    this.last = answered.then(
      () => this.over(),
      () => this.over(),
    );
    return answered;
  }

  private over(): void {
    this.open -= 1;
    if (this.open > 0) return;
    this.idle = setTimeout(() => {
      void this.thread?.end();
      this.thread = null;
    }, IDLE_MS).unref();
  }
}

async function answerOf<Question, Answer>(
  thread: AskedThread<Question, Answer>,
  question: Question,
  transfer: readonly Transferable[],
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const end = (): void => void thread.end();
  signal?.addEventListener('abort', end);
  try {
    return await thread.ask(question, transfer);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', end);
  }
}
