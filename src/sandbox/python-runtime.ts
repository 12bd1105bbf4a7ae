import { type Isolation, launchesOf, type Program } from './isolation.js';
import { type Launch, type ProcessLimits } from './launch.js';
import { tryLaunch } from './probe.js';
import { PYTHON_CONFINEMENT, type PythonWalls } from './python-confinement.js';
import { PYTHON_HARNESS } from './python-harness.js';

/** Where system packages put it: reachable for every user, unlike an interpreter below somebody's home. */
const SYSTEM_PYTHON = '/usr/bin/python3';

const INTRODUCE = 'import sys, json; assert sys.version_info >= (3, 8); print(json.dumps([sys.executable, sys.base_prefix, sys.prefix]))';
/** Puts the walls up and says which stand; what cannot do even that is no interpreter for workers. */
const TRY = `${PYTHON_CONFINEMENT}\nimport asyncio, json; print(json.dumps(confine({'memoryBytes': 1 << 30, 'fileBytes': 1 << 20, 'processes': None})))`;
// -I: neither the environment nor the working directory adds to the import path. -B: no bytecode files.
const FLAGS = ['-I', '-B'];

/** The interpreters to try: the given one, then the system's, which takes over where the given one is out of reach for another user. */
export async function findPythons(python: string): Promise<Program[]> {
  const found: Program[] = [];
  for (const command of [python, SYSTEM_PYTHON]) {
    const said = await tryLaunch({ command, args: [...FLAGS, '-c', INTRODUCE], user: null, ownFolder: false }, null);
    if (said === null) continue;
    const [executable, ...prefixes] = JSON.parse(said) as [string, ...string[]];
    if (!found.some((each) => each.command === executable)) found.push({ command: executable, folders: [...new Set(prefixes)] });
  }
  return found;
}

/**
 * How to start python3 workers under this isolation and which walls they put up themselves, or null where none of the
 * interpreters works under it. Another user is preferred to the own.
 */
export async function launchPython(
  pythons: readonly Program[],
  isolation: Isolation,
  limits: ProcessLimits,
  leaseMs: number,
): Promise<{ readonly launch: Launch; readonly walls: PythonWalls } | null> {
  const tries = pythons.flatMap((python) => launchesOf(isolation, python, [...FLAGS, '-c', TRY]).map((trial) => ({ python, trial })));
  const ordered = [...tries.filter(({ trial }) => trial.user), ...tries.filter(({ trial }) => !trial.user)];
  for (const { python, trial } of ordered) {
    const said = await tryLaunch(trial);
    if (said === null) continue;
    const ownUser = !trial.user && isolation === 'process';
    // The bound counts all processes of a user: on the service's own user it would hit the service.
    const settings = JSON.stringify({ ...limits, processes: ownUser ? null : limits.processes, leaseSeconds: leaseMs / 1000 });
    const launch = launchesOf(isolation, python, [...FLAGS, '-c', PYTHON_HARNESS, settings]).find(({ user }) => user === trial.user);
    if (launch) return { launch, walls: JSON.parse(said) as PythonWalls };
  }
  return null;
}
