/** Something that will happen at a moment of virtual time. */
export interface Task {
  /** Virtual milliseconds. */
  at: number;
  readonly order: number;
  readonly owner: VirtualProcess | null;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * One thread for everything that happens: tasks run one after the other, by time and then by the order in which they were asked for. Between two
 * tasks of a process its microtasks run until none is left, so nothing depends on the real machine.
 */
export class Scheduler {
  /** Virtual milliseconds since the beginning. */
  now = 0;
  /** Whose code runs now; null: the world's. */
  current: VirtualProcess | null = null;
  /** Turns taken so far. */
  turns = 0;
  private readonly heap: Task[] = [];
  private orders = 0;

  /** @param owner the task is dropped where it is dead by then, and waits where it is stopped */
  at(time: number, owner: VirtualProcess | null, run: () => void): Task {
    const task: Task = { at: Math.max(time, this.now), order: ++this.orders, owner, run, cancelled: false };
    this.push(task);
    return task;
  }

  after(delayMs: number, owner: VirtualProcess | null, run: () => void): Task {
    return this.at(this.now + Math.max(0, delayMs), owner, run);
  }

  /** Runs tasks until `isDone`, asked before each, or until nothing is left. */
  async run(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const task = this.pop();
      if (!task) return;
      if (task.cancelled || task.owner?.dead) continue;
      this.now = Math.max(this.now, task.at);
      if (task.owner?.stopped) {
        task.owner.held.push(task);
        continue;
      }
      this.turns += 1;
      this.current = task.owner;
      task.run();
      // The world is written without promises; only what runs in a process has microtasks.
      if (task.owner) await new Promise<void>(setImmediate);
      this.current = null;
    }
  }

  push(task: Task): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (isBefore(heap[above]!, task)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = task;
  }

  private pop(): Task | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      if (isBefore(last, heap[below]!)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

interface Timer {
  /** Monotonic time of the process. */
  readonly dueAt: number;
  readonly fire: () => void;
  task: Task;
}

/** What an operating system gives a node: life and death, being stopped, a monotonic clock and timers. */
export class VirtualProcess {
  dead = false;
  stopped = false;
  /** What came while it was stopped. */
  readonly held: Task[] = [];
  private readonly timers = new Set<Timer>();
  private sleepsSince: number | null = null;
  private sleptMs = 0;

  constructor(
    readonly name: string,
    private readonly scheduler: Scheduler,
  ) {}

  /** Monotonic milliseconds; stands still while the machine sleeps, not while the process alone is stopped. */
  monotonic(): number {
    return (this.sleepsSince ?? this.scheduler.now) - this.sleptMs;
  }

  /** Calls `fire` once, by the monotonic clock; the returned function cancels. */
  timer(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { dueAt: this.monotonic() + Math.max(0, delayMs), fire, task: NO_TASK };
    this.timers.add(timer);
    this.arm(timer);
    return () => {
      timer.task.cancelled = true;
      this.timers.delete(timer);
    };
  }

  /** SIGSTOP: nothing runs, time goes on. */
  stop(): void {
    this.stopped = true;
  }

  /** The whole machine sleeps: nothing runs, and its monotonic clock and timers stand still. */
  sleep(): void {
    this.stopped = true;
    this.sleepsSince = this.scheduler.now;
    for (const { task } of this.timers) task.cancelled = true;
  }

  /** Goes on: what came meanwhile happens now, in its order. */
  resume(): void {
    if (this.dead || !this.stopped) return;
    this.stopped = false;
    for (const task of this.held.splice(0)) if (!task.cancelled) this.scheduler.push(task);
    if (this.sleepsSince === null) return;
    this.sleptMs += this.scheduler.now - this.sleepsSince;
    this.sleepsSince = null;
    for (const timer of this.timers) this.arm(timer);
  }

  kill(): void {
    this.dead = true;
    this.timers.clear();
    this.held.length = 0;
  }

  private arm(timer: Timer): void {
    timer.task = this.scheduler.after(timer.dueAt - this.monotonic(), this, () => {
      this.timers.delete(timer);
      timer.fire();
    });
  }
}

const NO_TASK: Task = { at: 0, order: 0, owner: null, run: () => undefined, cancelled: true };
