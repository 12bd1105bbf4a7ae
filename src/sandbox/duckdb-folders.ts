import { chownSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { StepFailure } from '../engine/step-executor.js';
import { NOBODY } from './launch.js';

const EXECUTION_ID = /^\d{1,20}$/;
const MAX_NAME = 200;

/** Where the databases of steps lie: `executions/<id>`, gone with the execution, and `databases/<tenant>/<name>`, kept. */
export class DuckDbFolders {
  /** Whom the folders belong to; null: the service's own user. */
  readonly owner: typeof NOBODY | null;
  private readonly root: string;

  /** Makes the root. Throws where that is not possible. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    this.root = realpathSync(folder);
    this.owner = process.getuid?.() === 0 && isReachable(this.root) ? NOBODY : null;
    for (const name of ['executions', 'databases']) this.make(join(this.root, name));
  }

  get path(): string {
    return this.root;
  }

  /** The folder of an execution, made where it is missing. */
  execution(executionId: string): string {
    if (!EXECUTION_ID.test(executionId)) throw new Error('not the id of an execution');
    return this.make(join(this.root, 'executions', executionId));
  }

  /** The file of a named database of the tenant; folders in the name are made. Throws StepFailure for names that lead elsewhere. */
  database(tenantId: string, name: string): string {
    const parts = name.split('/');
    const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\p{Cc}\\]/u.test(part) && part.isWellFormed());
    if (!isPlain || name.length > MAX_NAME) {
      throw new StepFailure('invalid_parameters', 'database must be a relative file name without "..", backslash and control characters', {
        retryable: false,
      });
    }
    let folder = this.make(join(this.root, 'databases', encodeURIComponent(tenantId).replaceAll('.', '%2E')));
    const inside = folder + sep;
    for (const part of parts.slice(0, -1)) folder = this.make(join(folder, part));
    const file = join(folder, parts.at(-1)!);
    if (!(realpathSync(folder) + sep).startsWith(inside) || isLink(file))
      throw new StepFailure('invalid_parameters', 'database leads out of the folder of databases', { retryable: false });
    return file;
  }

  /** Executions that have a folder which nobody has touched for so long. */
  async executionsUntouchedFor(ms: number): Promise<string[]> {
    const names = await readdir(join(this.root, 'executions')).catch(() => []);
    const old: string[] = [];
    for (const name of names.filter((each) => EXECUTION_ID.test(each))) {
      const found = await stat(join(this.root, 'executions', name)).catch(() => null);
      if (found && Date.now() - found.mtimeMs >= ms) old.push(name);
    }
    return old;
  }

  async remove(executionId: string): Promise<void> {
    if (EXECUTION_ID.test(executionId)) await rm(join(this.root, 'executions', executionId), { recursive: true, force: true });
  }

  private make(folder: string): string {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (this.owner) chownSync(folder, this.owner.uid, this.owner.gid);
    return folder;
  }
}

/** Whether another user may walk to it. */
function isReachable(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

function isLink(file: string): boolean {
  try {
    return !lstatSync(file).isFile();
  } catch {
    return false;
  }
}
