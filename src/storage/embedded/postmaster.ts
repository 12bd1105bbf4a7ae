import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandLineOf } from './process-identity.js';

/** What a running server says of itself in `postmaster.pid`. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly commandLine: string;
}

const PID_LINE = 0;
const PORT_LINE = 3;
/** A polite stop first; what does not end in time is stopped harder. All of them leave a cluster that recovers. */
const STOP_SIGNALS: readonly (readonly [NodeJS.Signals, number])[] = [
  ['SIGINT', 15_000], // fast shutdown: sessions end, a checkpoint is written
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
];
const POLL_MS = 25;

/**
 * The server that runs on this cluster, whoever started it: it outlives a killed parent. A pid file whose process is
 * gone, or whose number now belongs to another program, means none; the second kind is removed, because the server
 * itself would take that program for a running server and refuse to start.
 */
export function findPostmaster(cluster: string): Postmaster | undefined {
  const file = join(cluster, 'postmaster.pid');
  let lines: string[];
  try {
    lines = readFileSync(file, 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[PID_LINE]);
  const commandLine = Number.isSafeInteger(pid) && pid > 0 ? commandLineOf(pid) : undefined;
  if (commandLine?.includes(` -D ${cluster} `)) return { pid, port: Number(lines[PORT_LINE]), commandLine };
  if (commandLine !== undefined) rmSync(file, { force: true });
  return undefined;
}

/** Stops the server that runs on this cluster and waits until it is gone. Nothing to do if none runs. */
export async function stopPostmaster(cluster: string): Promise<void> {
  const running = findPostmaster(cluster);
  if (running === undefined) return;
  for (const [signal, patienceMs] of STOP_SIGNALS) {
    try {
      process.kill(running.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += POLL_MS) {
      if (commandLineOf(running.pid) !== running.commandLine) return;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`The embedded PostgreSQL (pid ${running.pid}) does not stop.`);
}
