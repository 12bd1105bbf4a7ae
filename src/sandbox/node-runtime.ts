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
  /** False: it stays the service's user under `process`. */
  readonly dropRights?: boolean;
  /** Its JSON argument, besides `dropTo`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const LIST_FOLDERS = 'process.argv.slice(1).forEach((folder) => require("node:fs").readdirSync(folder))';

/**
 * How to start workers of this program on the Node that runs the service, or null where that does not work. Under `process`
 * as root, the program gives its rights up itself once it is loaded.
 */
export async function launchNode(isolation: Isolation, program: NodeProgram): Promise<Launch | null> {
  const node = { command: process.execPath, folders: [dirname(process.execPath), ...program.folders] };
  const asRoot = process.getuid?.() === 0 && program.dropRights !== false;
  const args = (dropTo: typeof NOBODY | null) => ['--no-warnings', '-e', program.harness, JSON.stringify({ ...program.settings, dropTo })];
  if (isolation === 'process') return { command: node.command, args: args(asRoot ? NOBODY : null), user: null, ownFolder: false };
  const openings = { writable: program.writable ?? [], network: program.network ?? false };
  const folders = [...program.folders, ...openings.writable];
  const trials = launchesOf(isolation, node, ['-e', LIST_FOLDERS, ...folders], openings);
  const working = await firstWorking(trials);
  return launchesOf(isolation, node, args(null), openings).find(({ user }) => working && user === working.user) ?? null;
}
