import { lstatSync, readlinkSync } from 'node:fs';
import { bareEnvironment, type Launch, NOBODY, TEMPORARY_BYTES } from './launch.js';

/** bubblewrap: own namespaces, read-only system, no network. process: another user where the service is root, limits, empty environment, and the walls that the program puts up itself. */
export type Isolation = 'bubblewrap' | 'process';

/** A program of a language runtime and the folders outside /usr that it must be able to read. */
export interface Program {
  readonly command: string;
  readonly folders: readonly string[];
}

/** What a program may do under bubblewrap besides reading. */
export interface Openings {
  readonly writable: readonly string[];
  readonly network: boolean;
}

/** The `/tmp` of one process: in memory, so it has an end. Of bubblewrap 0.8 and later, and not where it is setuid. */
export const BOUNDED_TMP = ['--size', `${TEMPORARY_BYTES}`, '--tmpfs', '/tmp'] as const;

const NO_OPENINGS: Openings = { writable: [], network: false };

/** Ways to start the program under one isolation, the stricter first. */
export function launchesOf(isolation: Isolation, program: Program, args: readonly string[], openings = NO_OPENINGS): Launch[] {
  const asNobody = process.getuid?.() === 0 ? [NOBODY] : [];
  const users = [...asNobody, null];
  if (isolation === 'process') return users.map((user) => ({ command: program.command, args, user, ownFolder: true }));
  const confined = [...bubblewrapArguments(program.folders, openings), '--', program.command, ...args];
  return users.map((user) => ({ command: 'bwrap', args: confined, user, ownFolder: false }));
}

function bubblewrapArguments(folders: readonly string[], { writable, network }: Openings): string[] {
  const args = [
    '--unshare-all',
    ...(network ? ['--share-net'] : []),
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--uid',
    `${NOBODY.uid}`,
    '--gid',
    `${NOBODY.gid}`,
  ];
  args.push('--ro-bind', '/usr', '/usr', '--proc', '/proc', '--dev', '/dev', ...BOUNDED_TMP, '--chdir', '/tmp');
  for (const folder of ['/bin', '/sbin', '/lib', '/lib32', '/lib64']) args.push(...systemFolder(folder));
  for (const file of ['/etc/ld.so.cache', '/etc/localtime', '/etc/alternatives']) args.push('--ro-bind-try', file, file);
  for (const folder of folders) if (!folder.startsWith('/usr/')) args.push('--ro-bind', folder, folder);
  if (network) for (const file of ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf']) args.push('--ro-bind-try', file, file);
  for (const folder of writable) args.push('--bind', folder, folder);
  // Both are in memory, without a bound: /dev/shm is a folder of the one, what is no mount of its own lies in the other.
  args.push('--remount-ro', '/dev', '--remount-ro', '/');
  return args;
}

/** Most systems have /bin -> usr/bin: the same link inside needs no second mount. */
function systemFolder(folder: string): string[] {
  try {
    return lstatSync(folder).isSymbolicLink() ? ['--symlink', readlinkSync(folder), folder] : ['--ro-bind', folder, folder];
  } catch {
    return [];
  }
}

/** The environment under which a launch is tried out: the one it will have. */
export const PROBE_ENVIRONMENT = bareEnvironment('/tmp');
