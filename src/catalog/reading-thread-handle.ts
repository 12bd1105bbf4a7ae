import { Worker } from 'node:worker_threads';
import { EngineError } from '../engine/engine-error.js';
import { type ThreadQuestion } from './thread-messages.js';

/** A thread that answers one question after the other. It keeps the process alive only while it is asked. */
export class ReadingThread {
  private readonly worker: Worker;
  private asked: PromiseWithResolvers<string> | null = null;
  private death: Error | null = null;

  constructor(program: URL, memoryMb: number) {
    this.worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: memoryMb }, execArgv: [] });
    this.worker.unref();
    this.worker.on('message', (answer: string) => this.asked?.resolve(answer));
    this.worker.on('error', (error: NodeJS.ErrnoException) => this.die(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooComplex() : error));
    this.worker.on('exit', () => this.die(tooComplex()));
  }

  get alive(): boolean {
    return this.death === null;
  }

  /** @throws EngineError `document_too_complex` where the thread is ended before it answers */
  async ask(question: ThreadQuestion): Promise<string> {
    if (this.death) throw this.death;
    this.asked = Promise.withResolvers();
    this.worker.ref();
    this.worker.postMessage(question);
    try {
      return await this.asked.promise;
    } finally {
      this.asked = null;
      this.worker.unref();
    }
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    this.die(tooComplex());
    await this.worker.terminate();
  }

  private die(why: Error): void {
    this.death ??= why;
    this.asked?.reject(this.death);
  }
}

function tooComplex(): EngineError {
  return new EngineError('unreadable', 'document_too_complex', 'Reading the document takes more time or memory than allowed.');
}
