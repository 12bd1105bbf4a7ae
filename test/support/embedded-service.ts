import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A service process of its own that runs the embedded database; made to be killed. */
export interface EmbeddedService {
  readonly url: string;
  readonly log: readonly string[];
  /** Sends the signal and waits until the process is gone. */
  readonly end: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
}

const PROGRAM = join(process.cwd(), 'test', 'support', 'embedded-service-process.mjs');

/** Starts the process, as another user where one is given, by a program that runs it if one is, and waits until its database is up. */
export async function startEmbeddedService(
  dataDir: string,
  user: { uid?: number; gid?: number } = {},
  by: readonly string[] = [],
): Promise<EmbeddedService> {
  const [program, ...words] = [...by, process.execPath, '--no-warnings', PROGRAM, dataDir];
  const child = spawn(program!, words, { ...user, stdio: ['pipe', 'pipe', 'pipe'] });
  const errors: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  const ended = once(child, 'exit');
  const line = await Promise.race([firstLine(child), ended.then(() => null)]);
  if (line === null) throw new Error(`the service ended at once: ${errors.join('')}`);
  return {
    ...(JSON.parse(line) as { url: string; log: string[] }),
    end: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
}

async function firstLine({ stdout }: ChildProcess): Promise<string | null> {
  if (stdout === null) return null;
  for await (const line of createInterface({ input: stdout })) return line;
  return null;
}
