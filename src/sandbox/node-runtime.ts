import { dirname } from 'node:path';
import { type Isolation, launchesOf } from './isolation.js';
import { type Launch, NOBODY } from './launch.js';
import { firstWorking } from './probe.js';

/** A program for `nodeHarness` and what it needs. */
export interface NodeProgram {
  readonly harness: string;
  /** Folders it reads, besides that of Node itself. */
  readonly folders: readonly string[];
  /** Folders it may write, under bubblewrap too. */
  readonly writable?: readonly string[];
  /** True: it may use the network, under bubblewrap too. */
  readonly network?: boolean;
  /** Its JSON argument, besides `dropTo`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * How to start workers of this program on the Node that runs the service, or null where that does not work. Under `process`
 * as root, the program gives its rights up itself once it is loaded.
 */
export async function launchNode(isolation: Isolation, program: NodeProgram): Promise<Launch | null> {
  const node = { command: process.execPath, folders: [dirname(process.execPath), ...program.folders] };
  const asRoot = process.getuid?.() === 0;
  const args = (dropTo: typeof NOBODY | null) => ['--no-warnings', '-e', program.harness, JSON.stringify({ ...program.settings, dropTo })];
  if (isolation === 'process') return { command: node.command, args: args(asRoot ? NOBODY : null), user: null, ownFolder: false };
  const more = { writable: program.writable ?? [], network: program.network ?? false };
  const readable = launchesOf(
    isolation,
    node,
    ['-e', 'process.argv.slice(1).forEach((each) => require("fs").readdirSync(each))', ...program.folders],
    more,
  );
  const working = await firstWorking(readable);
  return launchesOf(isolation, node, args(null), more).find(({ user }) => working && user === working.user) ?? null;
}
