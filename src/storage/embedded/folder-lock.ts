import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { startOf } from './process-identity.js';

interface Holder {
  readonly pid: number;
  readonly start: string | undefined;
  /** Name of a pipe in the folder that its process holds open for reading; undefined where none could be made. */
  readonly pipe: string | undefined;
}

/**
 * Takes the data folder for this process; the answer gives it back. A lock whose holder is gone is taken over.
 * Throws, naming the holder's pid, while another service works on the folder, be it one in another container.
 */
export function lockFolder(dataDir: string): () => void {
  const lock = join(dataDir, 'service.lock');
  // Not by the number of the process: another container has the same ones.
  const mine = `${lock}.${randomUUID()}`;
  const pipe = holdPipe(`${mine}.pipe`);
  const me: Holder = { pid: process.pid, start: startOf(process.pid), pipe: pipe && basename(pipe.path) };
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  let isMine = false;
  try {
    while (!linked(mine, lock)) {
      const holder = readHolder(lock);
      if (holder !== undefined && isAlive(holder, dataDir)) {
        throw new Error(`Another service (pid ${holder.pid}) uses the data folder ${dataDir}. Stop it, or give this one another DATA_DIR.`);
      }
      removeStale(lock, `${mine}.stale`, dataDir);
    }
    isMine = true;
  } finally {
    rmSync(mine, { force: true });
    if (!isMine) pipe?.letGo();
  }
  return () => {
    rmSync(lock, { force: true });
    pipe?.letGo();
  };
}

/**
 * A pipe that this process reads from as long as it lives: whoever can open it for writing knows that, whatever processes it can see. The numbers of
 * processes say nothing between containers. Undefined where a pipe cannot be made: then only processes that can be seen count.
 */
function holdPipe(path: string): { readonly path: string; readonly letGo: () => void } | undefined {
  if (spawnSync('mkfifo', ['-m', '600', path], { stdio: 'ignore' }).status !== 0) return undefined;
  try {
    const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const letGo = (): void => {
      closeSync(reading);
      rmSync(path, { force: true });
    };
    return { path, letGo };
  } catch {
    rmSync(path, { force: true });
    return undefined; // a file system that keeps pipes and cannot open them
  }
}

/** Without a reader the pipe refuses to be opened for writing, and no pipe is there once its holder has let go of it. */
function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
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
function removeStale(lock: string, aside: string, dataDir: string): void {
  try {
    renameSync(lock, aside);
  } catch {
    return; // the other one was faster
  }
  const moved = readHolder(aside);
  if (moved !== undefined && isAlive(moved, dataDir)) linked(aside, lock);
  else if (moved?.pipe !== undefined) rmSync(join(dataDir, moved.pipe), { force: true });
  rmSync(aside, { force: true });
}

function readHolder(path: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('pid' in parsed) || typeof parsed.pid !== 'number') return undefined;
    const text = (key: keyof Holder): string | undefined => {
      const value = (parsed as Partial<Record<keyof Holder, unknown>>)[key];
      return typeof value === 'string' ? value : undefined;
    };
    return { pid: parsed.pid, start: text('start'), pipe: text('pipe') };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, start, pipe }: Holder, dataDir: string): boolean {
  return (start !== undefined && startOf(pid) === start) || (pipe !== undefined && hasReader(join(dataDir, basename(pipe))));
}
