import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { type Readable } from 'node:stream';
import { deserializeMessage, isJSONRPCRequest, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client';
import { ErrorOutput } from './error-output.js';
import { MCP_LIMITS } from './limits.js';
import { ConnectionBroken } from './mcp-failure.js';
import { type StdioMcpServer } from './mcp-server.js';
import { argvOf } from './stdio-argv.js';
import { redactorOf } from './stdio-secrets.js';

const PATH = '/usr/local/bin:/usr/bin:/bin';
const TERM_GRACE_MS = 2_000;
const NEWLINE = 0x0a;

/** What a server process says on its error output, line by line, capped over its life, without its secrets. */
export type HearStderr = (text: string) => void;

/**
 * A server as a process of this machine (MCP 2026-07-28, stdio transport): JSON lines on stdin and stdout, its own process group, a bare
 * environment, no shell. It is killed with its group at `close`, when it floods, and with this process.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Why this side ended it; null: it ended by itself, or lives. */
  brokenBy: ConnectionBroken | null = null;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;

  /** The SDK takes what has this and `pid` for a process. */
  readonly stderr = null;
  private child: ChildProcess | null = null;
  /** Requests that wait for their answers. */
  private readonly asked = new Set<string>();
  private parts: Buffer[] = [];
  private partBytes = 0;
  private chatter = 0;
  private chatterAt = 0;
  private readonly errorOutput: ErrorOutput;
  private markEnded!: () => void;

  constructor(
    private readonly server: StdioMcpServer,
    hearStderr: HearStderr,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    this.errorOutput = new ErrorOutput(redactorOf(server), hearStderr);
    this.ended = new Promise((resolve) => (this.markEnded = resolve));
  }

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Starts the process. Rejects with ConnectionBroken where it cannot be started. */
  start(): Promise<void> {
    const { env, cwd } = this.server;
    const argv = argvOf(this.server);
    const home = cwd ?? tmpdir();
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      cwd: home,
      env: { PATH, HOME: home, LANG: 'C.UTF-8', ...env },
    });
    this.child = child;
    this.chatterAt = this.monotonic();
    // A broken pipe is followed by the end of the process, which is what counts.
    for (const stream of streamsOf(child)) stream?.on('error', () => undefined);
    const [, stdout, stderr] = streamsOf(child);
    stderr?.setEncoding('utf8').on('data', this.errorOutput.hear);
    stdout?.on('data', (chunk: Buffer) => this.onData(chunk));
    child.once('exit', () => this.onExit());
    return new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error: NodeJS.ErrnoException) => {
        this.onExit();
        reject(new ConnectionBroken('mcp_server_unavailable', `cannot be started (${error.code ?? 'no code'})`));
      });
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.child?.stdin;
    if (!stdin?.writable) return Promise.reject(this.brokenBy ?? new ConnectionBroken('mcp_server_unavailable', 'has ended'));
    if (isJSONRPCRequest(message)) this.asked.add(String(message.id));
    // Without waiting for the pipe: who reads nothing is found out by the time-out of the call.
    stdin.write(`${JSON.stringify(message)}\n`);
    return Promise.resolve();
  }

  /** Ends the input, then the process and all it started. */
  async close(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return this.kill();
    child.stdin?.end();
    const timer = setTimeout(() => this.kill(), TERM_GRACE_MS);
    this.signal('SIGTERM');
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends it at once, for the reason given. */
  break(reason: ConnectionBroken): void {
    this.brokenBy ??= reason;
    this.kill();
  }

  private kill(): void {
    this.signal('SIGKILL');
  }

  private signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.child?.pid === undefined) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }

  private onExit(): void {
    this.kill(); // what it started dies with it
    for (const stream of this.child ? streamsOf(this.child) : []) stream?.destroy();
    this.parts = [];
    this.errorOutput.end();
    this.markEnded();
    this.onclose?.();
  }

  private onData(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1 && this.brokenBy === null; at = chunk.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...this.parts, chunk.subarray(from, at)]);
      this.parts = [];
      this.partBytes = 0;
      from = at + 1;
      if (line.length > MCP_LIMITS.messageBytes) return this.tooLong();
      this.onLine(line.toString('utf8'));
    }
    if (this.brokenBy !== null || from === chunk.length) return;
    this.parts.push(chunk.subarray(from));
    this.partBytes += chunk.length - from;
    if (this.partBytes > MCP_LIMITS.messageBytes) this.tooLong();
  }

  private tooLong(): void {
    this.parts = [];
    this.break(new ConnectionBroken('result_too_large', `sent a message of more than ${MCP_LIMITS.messageBytes} bytes`));
  }

  private onLine(line: string): void {
    const message = messageIn(line);
    const isAnswer = message !== null && ('result' in message || 'error' in message) && message.id !== undefined;
    // Each request has one answer: whatever else looks like one is none.
    if (!isAnswer || !this.asked.delete(String(message.id))) this.spend(line.length + 1);
    if (message !== null && this.brokenBy === null) this.onmessage?.(message);
  }

  /** Whatever is no answer uses up an allowance that grows with time. */
  private spend(bytes: number): void {
    const now = this.monotonic();
    this.chatter = Math.max(0, this.chatter - ((now - this.chatterAt) / 1_000) * MCP_LIMITS.chatterBytesPerSecond) + bytes;
    this.chatterAt = now;
    if (this.chatter > MCP_LIMITS.chatterBytes) {
      this.break(new ConnectionBroken('mcp_protocol_error', 'floods its output with what is no answer'));
    }
  }
}

/** None where there were no descriptors left for them: then the process is not started either. */
function streamsOf(child: ChildProcess): readonly (Readable | null | undefined)[] {
  return (child.stdio as readonly (Readable | null)[] | undefined) ?? [];
}

/** Null for a line that is no message: many servers print there. */
function messageIn(line: string): JSONRPCMessage | null {
  try {
    return deserializeMessage(line);
  } catch {
    return null;
  }
}
