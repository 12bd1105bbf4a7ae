import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startOf } from './process-identity.js';

interface Holder {
  readonly pid: number;
  readonly start: string | undefined;
}

/**
 * Takes the data folder for this process; the answer gives it back. A lock whose holder is gone is taken over.
 * Throws, naming the holder's pid, while another service works on the folder.
 */
export function lockFolder(dataDir: string): () => void {
  const lock = join(dataDir, 'service.lock');
  const mine = `${lock}.${process.pid}`;
  const me: Holder = { pid: process.pid, start: startOf(process.pid) };
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    while (!linked(mine, lock)) {
      const holder = readHolder(lock);
      if (holder !== undefined && isAlive(holder)) {
        throw new Error(`Another service (pid ${holder.pid}) uses the data folder ${dataDir}. Stop it, or give this one another DATA_DIR.`);
      }
      removeStale(lock, `${mine}.stale`);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => rmSync(lock, { force: true });
}

/** A link appears with its whole content or not at all, and for one of two at a time only. */
function linked(mine: string, lock: string): boolean {
  try {
    linkSync(mine, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves the lock aside before it is dropped: two that find it stale at once must not drop the winner's new one. */
function removeStale(lock: string, aside: string): void {
  try {
    renameSync(lock, aside);
  } catch {
    return; // the other one was faster
  }
  const moved = readHolder(aside);
  if (moved !== undefined && isAlive(moved)) linked(aside, lock);
  rmSync(aside, { force: true });
}

function readHolder(path: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('pid' in parsed) || typeof parsed.pid !== 'number') return undefined;
    return { pid: parsed.pid, start: 'start' in parsed && typeof parsed.start === 'string' ? parsed.start : undefined };
  } catch {
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  const start = startOf(holder.pid);
  return start !== undefined && start === holder.start;
}
