import { type OnApplicationShutdown } from '@nestjs/common';
import { EngineError, type Issue } from '../engine/engine-error.js';
import { type ParseOptions } from '../engine/playbook/parse-playbook.js';
import { AskedThread } from '../threads/asked-thread.js';
import { type Source } from './source.js';
import { type ThreadQuestion, unpackReading } from './thread-messages.js';

export interface ReadingThreadsOptions {
  readonly threads: number;
  /** Texts that may wait for a thread. */
  readonly queue: number;
  /** A thread that takes longer for one text is ended. */
  readonly timeoutMs: number;
  /** Heap of one thread; a thread that needs more ends, and nothing else does. */
  readonly memoryMb: number;
  readonly program: URL;
}

type ReadingThread = AskedThread<ThreadQuestion, string>;

/** Reads texts in threads, one text per thread at a time. Threads begin when there is something to read and are used again. */
export class ReadingThreads implements OnApplicationShutdown {
  private readonly idle: ReadingThread[] = [];
  private readonly busy = new Set<ReadingThread>();
  private readonly waiting: (() => void)[] = [];
  private closed = false;

  private slots: number;

  constructor(private readonly options: ReadingThreadsOptions) {
    this.slots = options.threads;
  }

  /**
   * Hands the text to a thread and what it read to `use`; the thread stays with this text until `use` is done.
   * @throws EngineError `document_too_complex`, `overloaded`, and what `use` throws
   */
  async read<Result>(content: string, options: ParseOptions, use: (source: Source) => Promise<Result>): Promise<Result> {
    const thread = await this.take();
    const tooLong = setTimeout(() => void thread.end(), this.options.timeoutMs);
    try {
      const reading = unpackReading(await thread.ask({ read: content, options }));
      const locate = async (issues: readonly Issue[]): Promise<readonly Issue[]> =>
        issues.length === 0 ? issues : (JSON.parse(await thread.ask({ locate: issues })) as Issue[]);
      return await use({ reading, locate });
    } finally {
      clearTimeout(tooLong);
      this.giveBack(thread);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    for (const wake of this.waiting.splice(0)) wake();
    await Promise.all([...this.idle.splice(0), ...this.busy].map((thread) => thread.end()));
  }

  private async take(): Promise<ReadingThread> {
    if (this.slots > 0) this.slots--;
    else await this.turn();
    if (this.closed) throw new EngineError('unavailable', 'draining', 'This node is shutting down.');
    const thread = this.idle.pop() ?? this.begin();
    this.busy.add(thread);
    return thread;
  }

  private begin(): ReadingThread {
    const { program, memoryMb } = this.options;
    const tooMuch = (): EngineError =>
      new EngineError('unreadable', 'document_too_complex', 'Reading the document takes more time or memory than allowed.');
    return new AskedThread({ program, memoryMb, tooMuch });
  }

  /** Resolves when a slot was handed over. */
  private async turn(): Promise<void> {
    if (this.waiting.length >= this.options.queue)
      throw new EngineError('unavailable', 'overloaded', 'This node has as many documents to read as it can bear.');
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private giveBack(thread: ReadingThread): void {
    this.busy.delete(thread);
    if (thread.alive && !this.closed) this.idle.push(thread);
    const next = this.waiting.shift();
    if (next) next();
    else this.slots++;
  }
}
