import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Readable, type Stream } from 'node:stream';
import { CUT_MARK } from '../engine/auth/cut-text.js';
import { type JsonObject, isObject } from '../engine/values.js';
import { encodeFrame, FrameReader, KEEP_ALIVE } from './frames.js';
import { bareEnvironment, type Launch } from './launch.js';

const STDERR_TAIL = 2_000;

/** The process ended, or broke the protocol and was killed, while a call was under way. */
export class ProcessLost extends Error {
  override readonly name = 'ProcessLost';
}

interface Pending {
  readonly id: number;
  resolve(answer: JsonObject): void;
  reject(error: unknown): void;
}

/**
 * One process that answers one call at a time: calls and keep-alives on its stdin, answers on descriptor 3.
 * It leads a process group of its own, so that whatever it starts dies with it.
 */
export class WorkerProcess {
  /** The first tenant served; no other ever is. */
  tenantId: string | null = null;
  calls = 0;
  /** The process itself asked not to be used again, e.g. because code left threads behind. */
  retired = false;
  /** Resolves once the process is gone, its group was killed and its folder removed. */
  readonly ended: Promise<void>;
  hasEnded = false;
  /** It has ended, or was killed and will have in a moment. */
  isDoomed = false;

  /** Null where not even its folder could be made. */
  private readonly child: ChildProcess | null = null;
  private readonly folder: string | null = null;
  private readonly answers: FrameReader;
  private pending: Pending | null = null;
  private stderrTail = '';
  private lost = new ProcessLost('the process had ended');

  /** Never throws: a process that cannot be started has ended, as its calls hear. */
  constructor(launch: Launch, maxFrameBytes: number) {
    this.answers = new FrameReader(maxFrameBytes);
    try {
      this.folder = launch.ownFolder ? privateFolder(launch.user) : null;
      this.child = spawn(launch.command, [...launch.args], {
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
        detached: true,
        cwd: this.folder ?? '/',
        env: bareEnvironment(this.folder ?? '/tmp'),
        ...launch.user,
      });
    } catch (error) {
      this.ended = this.onEnd(notStarted(error));
      return;
    }
    const { child } = this;
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(this.onEnd(notStarted(error))));
      child.once('exit', (code, signal) => resolve(this.onEnd(signal ? `was ended by ${signal}` : `ended with code ${code}`)));
    });
    this.listen();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }
  get isBusy(): boolean {
    return this.pending !== null;
  }

  /** Sends one call and waits for its answer. Throws ProcessLost, or FrameTooLarge for an answer beyond the bound; the process is dead then. */
  call(message: JsonObject): Promise<JsonObject> {
    const id = ++this.calls;
    return new Promise((resolve, reject) => {
      this.pending = { id, resolve, reject };
      if (this.hasEnded) return this.settleWith(this.lost);
      this.child?.stdin?.write(encodeFrame({ ...message, id }));
    });
  }

  keepAlive(): void {
    this.child?.stdin?.write(KEEP_ALIVE);
  }

  /** Kills the process and all it started; the call under way fails with `reason`. */
  kill(reason: unknown = new ProcessLost('the process was killed')): void {
    this.retired = true;
    this.isDoomed = true;
    this.settleWith(reason);
    this.killGroup();
  }

  private listen(): void {
    // A broken pipe is followed by the exit event, which says what happened.
    for (const stream of this.streams) stream?.on('error', () => {});
    const [, stdout, stderr, answers] = this.streams as (Readable | null | undefined)[];
    stdout?.resume();
    stderr?.on('data', (chunk: Buffer) => {
      const said = this.stderrTail + chunk.toString('utf8');
      this.stderrTail = said.length > STDERR_TAIL ? `${CUT_MARK}${said.slice(-STDERR_TAIL)}` : said;
    });
    answers?.on('data', (chunk: Buffer) => this.onData(chunk));
  }

  /** None where there were no descriptors left for them: then it is not started either. */
  private get streams(): readonly (Stream | null | undefined)[] {
    return (this.child?.stdio as ChildProcess['stdio'] | undefined) ?? [];
  }

  private onData(chunk: Buffer): void {
    try {
      for (const body of this.answers.push(chunk)) this.onAnswer(JSON.parse(body.toString('utf8')));
    } catch (error) {
      this.kill(error instanceof SyntaxError ? new ProcessLost('the process answered something that is not JSON') : error);
    }
  }

  private onAnswer(answer: unknown): void {
    const { pending } = this;
    if (!pending || !isObject(answer) || answer['id'] !== pending.id) throw new ProcessLost('the process answered what was not asked');
    if (answer['retire'] === true) this.retired = true;
    this.pending = null;
    pending.resolve(answer);
  }

  private async onEnd(how: string): Promise<void> {
    this.hasEnded = true;
    this.isDoomed = true;
    this.killGroup();
    const last = this.stderrTail.trim().split('\n').at(-1)!;
    // A line without its beginning may begin with the end of a secret.
    const said = last.startsWith(CUT_MARK) ? '' : last;
    this.lost = new ProcessLost(`the process ${how}${said ? `: ${said}` : ''}`);
    this.settleWith(this.lost);
    for (const stream of this.streams) (stream as Readable | null | undefined)?.destroy();
    if (this.folder) await rm(this.folder, { recursive: true, force: true }).catch(() => {});
  }

  private settleWith(error: unknown): void {
    const { pending } = this;
    this.pending = null;
    pending?.reject(error);
  }

  private killGroup(): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // The group is gone already.
    }
  }
}

/** Without what the system says, which names places of this machine. */
function notStarted(error: unknown): string {
  return `could not be started (${(error as NodeJS.ErrnoException).code ?? 'no code'})`;
}

function privateFolder(user: Launch['user']): string {
  const folder = mkdtempSync(join(tmpdir(), 'showrunner-code-'));
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}
