import { type JsonObject } from '../engine/values.js';
import { type Launch } from './launch.js';
import { WorkerProcess } from './worker-process.js';

export interface ProcessPoolOptions {
  readonly launch: Launch;
  /** Processes at most; each serves one call at a time. */
  readonly workers: number;
  /** A process is replaced after so many calls, so that what code leaves behind stays bounded. */
  readonly callsPerWorker: number;
  /** A process ends itself when it hears nothing for so long (D15): keep-alives are sent three times as often. */
  readonly leaseMs: number;
  /** Bytes of one answer. */
  readonly maxFrameBytes: number;
}

interface Waiting {
  readonly tenantId: string;
  readonly serve: (worker: WorkerProcess) => void;
  readonly refuse: (reason: unknown) => void;
}

/** Warm processes for step code, each bound to the first tenant it serves. Knows nothing of languages. */
export class ProcessPool {
  private readonly workers = new Set<WorkerProcess>();
  private readonly leaving = new Set<WorkerProcess>();
  private readonly taken = new Set<WorkerProcess>();
  private readonly queue: Waiting[] = [];
  private readonly heartbeat: NodeJS.Timeout;
  private isClosed = false;

  constructor(private readonly options: ProcessPoolOptions) {
    this.heartbeat = setInterval(() => this.keepAlive(), options.leaseMs / 3);
    this.heartbeat.unref();
  }

  /** Ids of the processes that live now. */
  get pids(): number[] {
    return [...this.workers, ...this.leaving].flatMap((worker) => worker.pid ?? []);
  }

  /** Starts a process that waits for its first tenant, if there is room and none waits already. */
  warm(): void {
    if (this.isClosed || this.workers.size >= this.options.workers) return;
    for (const worker of this.workers) if (worker.tenantId === null) return;
    this.start();
  }

  /**
   * Runs one call in a process of the tenant, waiting for one if all are busy. Throws ProcessLost and FrameTooLarge as
   * WorkerProcess does; throws `signal.reason` when aborted. After any of them the process is gone.
   */
  async call(tenantId: string, message: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return this.lend(tenantId, signal, (call) => call(message));
  }

  /** Lends one process for several calls, one after the other. Throws what `work` throws; where that came of a call, as `call`. */
  async lend<Result>(
    tenantId: string,
    signal: AbortSignal,
    work: (call: (message: JsonObject) => Promise<JsonObject>) => Promise<Result>,
  ): Promise<Result> {
    const worker = await this.acquire(tenantId, signal);
    const abort = () => worker.kill(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    // Between the turn and here others may have had theirs.
    if (signal.aborted) abort();
    try {
      return await work((message) => worker.call(message));
    } catch (error) {
      // Whoever comes next must find what the process held (locks on files) let go.
      if (worker.isDoomed) await worker.ended;
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', abort);
      this.release(worker);
    }
  }

  /** Kills every process; calls under way and waiting fail. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.heartbeat);
    for (const waiting of this.queue.splice(0)) waiting.refuse(new Error('the pool is closed'));
    const workers = [...this.workers, ...this.leaving];
    for (const worker of workers) worker.kill();
    await Promise.all(workers.map((worker) => worker.ended));
  }

  private async acquire(tenantId: string, signal: AbortSignal): Promise<WorkerProcess> {
    signal.throwIfAborted();
    if (this.isClosed) throw new Error('the pool is closed');
    const worker = this.queue.length === 0 ? this.pick(tenantId) : null;
    if (worker) return worker;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.queue.splice(this.queue.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        tenantId,
        serve: (found) => {
          signal.removeEventListener('abort', leave);
          resolve(found);
        },
        refuse: reject,
      };
      signal.addEventListener('abort', leave, { once: true });
      this.queue.push(waiting);
    });
  }

  /** Own and idle, else unbound, else new, else the place of another tenant's idle one; null: all are busy. The found one counts as taken. */
  private pick(tenantId: string): WorkerProcess | null {
    const idle = [...this.workers].filter((worker) => !this.taken.has(worker) && !worker.isDoomed);
    let worker = idle.find((each) => each.tenantId === tenantId) ?? idle.find((each) => each.tenantId === null);
    if (!worker && this.workers.size >= this.options.workers) {
      if (!idle[0]) return null;
      this.discard(idle[0]);
    }
    worker ??= this.start();
    worker.tenantId = tenantId;
    this.taken.add(worker);
    this.warm();
    return worker;
  }

  private release(worker: WorkerProcess): void {
    this.taken.delete(worker);
    if (worker.retired || worker.hasEnded || worker.calls >= this.options.callsPerWorker) this.discard(worker);
    this.serveQueue();
    this.warm();
  }

  private serveQueue(): void {
    for (let next = this.queue[0]; next && !this.isClosed; next = this.queue[0]) {
      const worker = this.pick(next.tenantId);
      if (!worker) return;
      this.queue.shift();
      next.serve(worker);
    }
  }

  private start(): WorkerProcess {
    const worker = new WorkerProcess(this.options.launch, this.options.maxFrameBytes);
    this.workers.add(worker);
    void worker.ended.then(() => {
      if (this.workers.delete(worker)) this.serveQueue();
    });
    return worker;
  }

  private discard(worker: WorkerProcess): void {
    // Its place is free at once; `pids` forgets it when it is gone.
    this.workers.delete(worker);
    this.leaving.add(worker);
    void worker.ended.then(() => this.leaving.delete(worker));
    worker.kill();
  }

  private keepAlive(): void {
    for (const worker of this.workers) worker.keepAlive();
  }
}
