import { type Transferable, Worker } from 'node:worker_threads';

export interface ThreadSettings {
  /** What the thread runs: it answers each message with one message (`answering.ts`). */
  readonly program: URL;
  /** Heap of the thread in MiB; one that needs more ends, and nothing else does, unless a single native call needs it. */
  readonly memoryMb: number;
  /** Why a question is not answered whose thread was ended, or ended itself for want of memory. */
  readonly tooMuch: () => Error;
}

/** A thread that answers one question after the other. It keeps the process alive only while it is asked. */
export class AskedThread<Question, Answer> {
  private readonly worker: Worker;
  private asked: PromiseWithResolvers<Answer> | null = null;
  private death: Error | null = null;

  constructor(private readonly settings: ThreadSettings) {
    const { program, memoryMb, tooMuch } = settings;
    this.worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: memoryMb }, execArgv: [] });
    this.worker.unref();
    this.worker.on('message', (answer: Answer) => this.asked?.resolve(answer));
    this.worker.on('error', (error: NodeJS.ErrnoException) => this.die(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch() : error));
    this.worker.on('exit', () => this.die(tooMuch()));
  }

  get alive(): boolean {
    return this.death === null;
  }

  /**
   * @param transfer what the question hands over without a copy; it is unusable here afterwards
   * @throws what `tooMuch` makes where the thread is ended before it answers
   */
  async ask(question: Question, transfer: readonly Transferable[] = []): Promise<Answer> {
    if (this.death) throw this.death;
    const { promise } = (this.asked = Promise.withResolvers<Answer>());
    try {
      this.worker.postMessage(question, transfer);
      this.worker.ref();
      return await promise;
    } finally {
      this.asked = null;
      this.worker.unref();
    }
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    this.die(this.settings.tooMuch());
    await this.worker.terminate();
  }

  private die(why: Error): void {
    this.death ??= why;
    this.asked?.reject(this.death);
  }
}
