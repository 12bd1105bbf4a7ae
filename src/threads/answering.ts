import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, type Transferable } from 'node:worker_threads';

/** As `nice -n 10`. */
const NICENESS = 10;

/** What the program of a thread calls: each question is answered once, in order. What `answer` throws ends the thread. */
export function answerQuestions<Question, Answer>(answer: (question: Question, transfer: Transferable[]) => Answer): void {
  parentPort?.on('message', (question: Question) => {
    const transfer: Transferable[] = [];
    parentPort?.postMessage(answer(question, transfer), transfer);
  });
}

/**
 * As `answerQuestions`, for questions of megabytes that come one by one and leave nothing behind: what each left is collected at once. A heap that is
 * mostly idle would keep it for long, and a node with little memory has none to spare for that.
 */
export function answerLargeQuestions<Question, Answer>(answer: (question: Question, transfer: Transferable[]) => Answer): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  answerQuestions(answer);
  parentPort?.on('message', () => setImmediate(collect));
}

/**
 * Lets the loop of the process, and the database on the same machine, go first where there are too few processors for all. On Linux priorities belong
 * to threads (sched(7)), and the kernel's number of this one is the last part of /proc/thread-self; elsewhere nothing happens.
 */
export function goLast(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS);
  } catch {
    // Not Linux, or a /proc that is hidden: slower neighbours, nothing else.
  }
}
