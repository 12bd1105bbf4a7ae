import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type JsonObject } from '../../src/engine/values.js';

/** The program of a published server. */
export const peer = (name: 'everything' | 'filesystem' | 'memory'): string =>
  resolve('node_modules', '@modelcontextprotocol', `server-${name}`, 'dist', 'index.js');

/** A folder for the tests of one file, with what they write into it. */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), 'showrunner-mcp-'));

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** A file for MCP_SERVERS_FILE; every server is a program of Node. */
  servers(servers: Readonly<Record<string, { readonly args: readonly string[]; readonly env?: Record<string, string> }>>): string {
    const mcpServers = Object.fromEntries(
      Object.entries(servers).map(([name, { args, env = {} }]) => [name, { command: process.execPath, args, env, cwd: this.folder }]),
    );
    return this.write('servers.json', JSON.stringify({ mcpServers }));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface HttpPeer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** server-everything over Streamable HTTP, as a process of its own. It takes no port that the system chooses: another program may be faster. */
export async function startEverything(): Promise<HttpPeer> {
  for (let tries = 1; ; tries++) {
    try {
      return await startEverythingOnce();
    } catch (error) {
      if (tries === 3 || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

async function startEverythingOnce(): Promise<HttpPeer> {
  const port = await freePort();
  const child: ChildProcess = spawn(process.execPath, [peer('everything'), 'streamableHttp'], {
    env: { PATH: process.env.PATH, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  await new Promise<void>((ready, fail) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said.push(text);
      if (text.includes(String(port))) ready();
    });
    child.once('close', () => fail(new Error(said.join(''))));
  });
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A playbook of one mcp step, whose result is that of the step. */
export function oneCall(path: string, step: JsonObject): string {
  const workflow = [
    { step: 'start', next: 'call' },
    { type: 'mcp', ...step, step: 'call', next: 'end' },
    { step: 'end', result: '{{ call }}' },
  ];
  return JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: path.split('/').at(-1)!, path }, workflow });
}
