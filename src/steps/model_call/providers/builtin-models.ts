import { Worker } from 'node:worker_threads';
import { StepFailure } from '../../../engine/step-executor.js';
import { type JsonObject } from '../../../engine/values.js';

/** What the thread makes of texts; tokens are null where nobody counts them. */
export interface Analysed {
  readonly outputs: JsonObject[];
  readonly tokens: number | null;
}

const MEMORY_MB = 512;
const PROGRAM = new URL(`./builtin-thread${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);

/**
 * The models that come with the service, in one thread of their own: reading a long text takes tens of milliseconds in which the service goes on. The
 * thread is made when it is first asked, answers one question after the other, and keeps no process alive.
 */
export class BuiltinModels {
  private worker: Worker | null = null;
  private turn: Promise<unknown> = Promise.resolve();

  /** Rejects with the reason of the signal where it is aborted. @throws StepFailure where the models fail */
  analyse(task: string, texts: readonly string[], settings: JsonObject, signal: AbortSignal): Promise<Analysed> {
    const answer = this.turn.then(() => this.ask({ task, texts, settings }, signal));
    this.turn = answer.catch(() => undefined);
    return answer;
  }

  private async ask(question: JsonObject | object, signal: AbortSignal): Promise<Analysed> {
    signal.throwIfAborted();
    const worker = (this.worker ??= started());
    const { promise, resolve, reject } = Promise.withResolvers<Analysed | { error: string }>();
    const drop = (why: unknown): void => {
      this.worker = null;
      void worker.terminate();
      reject(why as Error);
    };
    const onError = (): void => drop(failed('The models ran out of memory, or broke.'));
    const onAbort = (): void => drop(signal.reason);
    worker.once('message', resolve).once('error', onError).once('exit', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    worker.ref();
    worker.postMessage(question);
    try {
      const answer = await promise;
      if ('error' in answer) throw failed(`The model failed: ${answer.error}`);
      return answer;
    } finally {
      signal.removeEventListener('abort', onAbort);
      worker.off('message', resolve).off('error', onError).off('exit', onError);
      worker.unref();
    }
  }
}

function started(): Worker {
  const worker = new Worker(PROGRAM, { resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB }, execArgv: [] });
  worker.on('error', () => undefined); // whoever asks it hears of it by its exit
  return worker;
}

function failed(message: string): StepFailure {
  return new StepFailure('internal_error', message, { retryable: true });
}
