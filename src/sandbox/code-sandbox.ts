import { type CodeCall, type CodeOutcome, type PythonCall, type Sandbox, SandboxError } from '../engine/sandbox-port.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { FrameTooLarge } from './frames.js';
import { BOUNDED_TMP, type Isolation } from './isolation.js';
import { type Launch, PROCESS_LIMITS, type ProcessLimits } from './launch.js';
import { ProcessPool } from './process-pool.js';
import { launchJavaScript } from './javascript-runtime.js';
import { type PythonWalls } from './python-confinement.js';
import { launchPyodide } from './pyodide-runtime.js';
import { findPythons, launchPython } from './python-runtime.js';
import { tryLaunch } from './probe.js';
import { ProcessLost } from './worker-process.js';

export interface SandboxOptions {
  /** Path or name of the interpreter; null: none, use Pyodide. */
  readonly python: string | null;
  /** auto: bubblewrap where it works, else process. */
  readonly isolation: Isolation | 'auto';
  /** The weaker isolation only where it was asked for: with `auto` and no bubblewrap, code is refused. Default false. */
  readonly processOnlyIfAsked?: boolean;
  /** Processes at most. Default 4. */
  readonly workers?: number;
  /** Default 200. */
  readonly callsPerWorker?: number;
  /** Default 15 s. */
  readonly leaseMs?: number;
  readonly limits?: Partial<ProcessLimits>;
  /** Told once about anything weaker than it should be. */
  readonly warn: (message: string) => void;
}

export type Runtime = 'python3' | 'pyodide';

/** Room for logs, messages and frames around the largest value. */
const ANSWER_MARGIN_BYTES = 1_048_576;

const UNCONFINED = 'bubblewrap does not work here, and ISOLATION=process, which is weaker, was not asked for.';

/** Finds out what can run here and how strictly. Starts no worker yet; throws where the wanted isolation does not work. */
export async function openSandbox(options: SandboxOptions): Promise<CodeSandbox> {
  const limits = { ...PROCESS_LIMITS, ...options.limits };
  const leaseMs = options.leaseMs ?? 15_000;
  const isolation = await chooseIsolation(options);
  if (isolation === 'process' && options.isolation === 'auto' && options.processOnlyIfAsked === true) {
    options.warn(`Step code and DuckDB are refused: ${UNCONFINED}`);
    const nothing = { python: null, javascript: null };
    return new CodeSandbox(null, isolation, { seccomp: false, landlock: false }, nothing, limits, leaseMs, options, UNCONFINED);
  }
  const pythons = options.python === null ? [] : await findPythons(options.python);
  const native = await launchPython(pythons, isolation, limits, leaseMs);
  const launch = native?.launch ?? (await launchPyodide(isolation, limits, leaseMs));
  const runtime: Runtime | null = native ? 'python3' : launch ? 'pyodide' : null;
  const walls = native?.walls ?? { seccomp: false, landlock: false };
  if (isolation === 'process') options.warn(`Step code runs without bubblewrap: ${weaknessesOf(native?.walls ?? null)}.`);
  if (!native) {
    options.warn(
      launch
        ? 'No usable python3 was found: Python steps run on Pyodide, with its own libraries only.'
        : 'Python steps cannot run: neither python3 nor Pyodide works here.',
    );
  }
  const [wanted] = pythons;
  if (native && wanted && ![native.launch.command, ...native.launch.args].includes(wanted.command)) {
    options.warn(`Python steps run on the system's python3: ${wanted.command} is out of reach for the user that runs step code.`);
  }
  if (launch && isolation === 'process' && launch.user === null && process.getuid?.() === 0) {
    options.warn('Step code runs as root: no interpreter is reachable for the user nobody.');
  }
  const javascript = await launchJavaScript(isolation, limits, leaseMs);
  if (!javascript) options.warn('JavaScript steps cannot run: QuickJS is not installed.');
  return new CodeSandbox(runtime, isolation, walls, { python: launch, javascript }, limits, leaseMs, options);
}

/** @param walls of python3 workers; null: there are none */
function weaknessesOf(walls: PythonWalls | null): string {
  return [
    'processes with limits, but with network access',
    ...(walls?.landlock ? [] : ['with access to the files of their user']),
    ...(walls?.seccomp ? [] : ['and able to leave processes of their own behind']),
  ].join(', ');
}

async function chooseIsolation(options: SandboxOptions): Promise<Isolation> {
  if (options.isolation === 'process') return 'process';
  const trial = {
    command: 'bwrap',
    args: ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', ...BOUNDED_TMP, '--', '/bin/true'],
    user: null,
    ownFolder: false,
  };
  if ((await tryLaunch(trial)) !== null) return 'bubblewrap';
  if (options.isolation === 'bubblewrap')
    throw new Error('bubblewrap was asked for, but bwrap is not installed, is older than 0.8 or setuid, or may not make namespaces here');
  return 'process';
}

/** Runs step code in pooled processes: one pool per language. */
export class CodeSandbox implements Sandbox {
  private readonly python: ProcessPool | null;
  private readonly javascript: ProcessPool | null;

  constructor(
    readonly runtime: Runtime | null,
    readonly isolation: Isolation,
    /** What Python workers put up around themselves. */
    readonly walls: PythonWalls,
    launches: { readonly python: Launch | null; readonly javascript: Launch | null },
    limits: ProcessLimits,
    leaseMs: number,
    options: Pick<SandboxOptions, 'workers' | 'callsPerWorker'>,
    /** Why nothing of others may run here at all; null: it may. */
    readonly refusal: string | null = null,
  ) {
    const maxFrameBytes = limits.resultBytes + limits.logBytes * 6 + ANSWER_MARGIN_BYTES;
    const callsPerWorker = options.callsPerWorker ?? 200;
    const poolOf = (launch: Launch | null) =>
      launch && new ProcessPool({ launch, workers: options.workers ?? 4, callsPerWorker, leaseMs, maxFrameBytes });
    this.python = poolOf(launches.python);
    this.javascript = poolOf(launches.javascript);
  }

  get networkDenied(): boolean {
    return this.isolation === 'bubblewrap';
  }

  /** Ids of the processes that live now. */
  get pids(): number[] {
    return [...(this.python?.pids ?? []), ...(this.javascript?.pids ?? [])];
  }

  /** Starts a process for Python ahead of the first call. */
  warm(): void {
    this.python?.warm();
  }

  async runPython(call: PythonCall): Promise<CodeOutcome> {
    this.assertAllowed();
    if (!this.python) throw new SandboxError('runtime_unavailable', 'Neither python3 nor Pyodide can run here.', false);
    return run(this.python, call, { fallbacks: call.fallbacks }, 'python_error');
  }

  async runJavaScript(call: CodeCall): Promise<CodeOutcome> {
    this.assertAllowed();
    if (!this.javascript) throw new SandboxError('runtime_unavailable', 'JavaScript cannot run here.', false);
    return run(this.javascript, call, {}, 'javascript_error');
  }

  private assertAllowed(): void {
    if (this.refusal !== null) throw new SandboxError('sandbox_unavailable', `Code cannot run: ${this.refusal}`, false);
  }

  /** Kills all processes; calls under way fail. */
  async close(): Promise<void> {
    await Promise.all([this.python?.close(), this.javascript?.close()]);
  }
}

async function run(
  pool: ProcessPool,
  { executionId, claimNo, code, inputs, context, tenantId, signal }: CodeCall,
  more: JsonObject,
  fault: 'python_error' | 'javascript_error',
): Promise<CodeOutcome> {
  try {
    return outcomeOf(
      await pool.call(tenantId, { execution_id: executionId, claim_no: claimNo, code, inputs, context, ...more }, signal),
      fault,
    );
  } catch (error) {
    if (error instanceof ProcessLost) throw new SandboxError('process_lost', `The code did not end: ${error.message}.`, true);
    if (error instanceof FrameTooLarge) throw new SandboxError('result_too_large', 'The answer of the code is above the limit.', false);
    throw error;
  }
}

function outcomeOf(answer: JsonObject, fault: 'python_error' | 'javascript_error'): CodeOutcome {
  const logs = textOf(answer['logs']);
  if (answer['ok'] === true) return { ok: true, value: answer['value'] ?? null, logs };
  const code = answer['code'] === 'result_not_storable' || answer['code'] === 'result_too_large' ? answer['code'] : fault;
  return { ok: false, code, type: textOf(answer['type']), message: textOf(answer['message']), frames: answer['frames'] ?? [], logs };
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
