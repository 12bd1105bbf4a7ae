import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Outbound, OutboundError } from '../engine/outbound-port.js';
import { type Script, type Scripts, type ScriptSource } from '../engine/script-port.js';
import { StepFailure } from '../engine/step-executor.js';

const MAX_BYTES = 1_048_576;

/** Loads scripts from files below one folder and from addresses that outbound calls may reach. */
export class ScriptLoader implements Scripts {
  constructor(
    /** Real path of the folder; null: no files. */
    private readonly root: string | null,
    private readonly outbound: Outbound,
  ) {}

  async load(source: ScriptSource, signal: AbortSignal): Promise<Script> {
    signal.throwIfAborted();
    const bytes = source.type === 'file' ? await this.file(source.uri) : await this.download(source.uri, signal);
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (source.sha256 !== null && source.sha256 !== digest)
      throw unavailable(`The script is another one than sha256 says: its digest is ${digest}`);
    try {
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), digest };
    } catch {
      throw unavailable('The script is not text in UTF-8');
    }
  }

  private async file(uri: string): Promise<Uint8Array> {
    const { root } = this;
    if (root === null) throw unavailable('Scripts in files need SCRIPT_ROOT, which is not set here');
    const path = pathOf(uri, root);
    let handle: FileHandle | null = null;
    try {
      // Neither a link in place of the file nor a pipe that would make us wait.
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const opened = await handle.stat();
      const real = await realpath(path);
      const there = await stat(real);
      if (!real.startsWith(root + sep) || !opened.isFile() || there.ino !== opened.ino || there.dev !== opened.dev)
        throw unavailable('The script is no file below SCRIPT_ROOT');
      if (opened.size > MAX_BYTES) throw unavailable(`The script is larger than ${MAX_BYTES} bytes`);
      return await readUpTo(handle, MAX_BYTES);
    } catch (error) {
      if (error instanceof StepFailure) throw error;
      const { code } = error as NodeJS.ErrnoException;
      throw unavailable(code === 'ENOENT' ? 'There is no such script' : 'The script cannot be read, or is no file below SCRIPT_ROOT');
    } finally {
      await handle?.close();
    }
  }

  private async download(url: string, signal: AbortSignal): Promise<Uint8Array> {
    try {
      const { status, body } = await this.outbound.fetch({ url, method: 'GET', signal, maxResponseBytes: MAX_BYTES });
      if (status < 200 || status > 299) throw unavailable(`The script was answered with status ${status}`, status >= 500 || status === 429);
      return body;
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      throw new StepFailure(error.code, error.message, { retryable: error.retryable });
    }
  }
}

/** Where the file of a uri (`file:///…`, or a path below the root) would lie. Throws StepFailure for what leads out of the root. */
function pathOf(uri: string, root: string): string {
  let path = uri;
  if (/^file:/i.test(uri)) {
    try {
      path = fileURLToPath(uri);
    } catch {
      throw unavailable('uri of the script is no file address of this machine');
    }
  }
  if (/[\\\p{Cc}]/u.test(path) || path.split('/').includes('..')) throw unavailable('uri of the script leads elsewhere');
  const full = isAbsolute(path) ? path : join(root, path);
  if (!full.startsWith(root + sep)) throw unavailable('The script is no file below SCRIPT_ROOT');
  return full;
}

/** A file may grow while it is read. */
async function readUpTo(handle: FileHandle, limit: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(limit + 1);
  let size = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, size, buffer.length - size);
    if (bytesRead === 0) return buffer.subarray(0, size);
    size += bytesRead;
    if (size > limit) throw unavailable(`The script is larger than ${limit} bytes`);
  }
}

function unavailable(message: string, retryable = false): StepFailure {
  return new StepFailure('script_unavailable', message, { retryable });
}
