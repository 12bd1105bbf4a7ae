import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The operating-system user the database server runs as. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

// initdb looks its own user up, so a bare number without a passwd entry does not do.
const CANDIDATES = ['postgres', 'nobody'] as const;

/**
 * PostgreSQL refuses to run as root: as root this answers whom to become, making the user `postgres` if there is none.
 * Undefined for an ordinary user: the server then runs as that user.
 */
export function serverUser(clusterFolder: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  // An existing cluster belongs to whoever made it, whatever users have appeared since.
  const owner = ownerOf(clusterFolder);
  if (owner !== undefined && owner.uid !== 0) return owner;
  if (findUser('postgres') === undefined) createUser('postgres');
  for (const name of CANDIDATES) {
    const user = findUser(name);
    if (user !== undefined) return user;
  }
  throw new Error(
    'The embedded PostgreSQL cannot run as root, and no user "postgres" exists or could be created. ' +
      'Create one (useradd --system postgres), start the service as an ordinary user, or set DATABASE_URL.',
  );
}

/** The first folder on the way to `path` that `user` may not pass through; undefined if all can be passed. */
export function firstClosedFolder(path: string, user: ServerUser): string | undefined {
  const folders: string[] = [];
  for (let folder = path; ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (folder === dirname(folder)) break;
  }
  return folders.find((folder) => {
    const { mode, uid, gid } = statSync(folder);
    if (uid === user.uid) return (mode & 0o100) === 0;
    if (gid === user.gid) return (mode & 0o010) === 0;
    return (mode & 0o001) === 0;
  });
}

function ownerOf(folder: string): ServerUser | undefined {
  const stats = statSync(folder, { throwIfNoEntry: false });
  return stats && { uid: stats.uid, gid: stats.gid };
}

function findUser(name: string): ServerUser | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [login, , uid, gid] = line.split(':');
    if (login === name && uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** Best effort: where neither tool exists, another unprivileged user is taken instead. */
function createUser(name: string): void {
  const made = spawnSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name]);
  if (made.status !== 0) spawnSync('adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', name]); // busybox
}
