import { type PythonCall, type PythonOutcome, type Sandbox, SandboxError } from '../engine/sandbox-port.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { FrameTooLarge } from './frames.js';
import { type Isolation } from './isolation.js';
import { type Launch, PROCESS_LIMITS, type ProcessLimits } from './launch.js';
import { ProcessPool } from './process-pool.js';
import { launchPyodide } from './pyodide-runtime.js';
import { findPythons, launchPython } from './python-runtime.js';
import { tryLaunch } from './probe.js';
import { ProcessLost } from './worker-process.js';

export interface SandboxOptions {
  /** Path or name of the interpreter; null: none, use Pyodide. */
  readonly python: string | null;
  /** auto: bubblewrap where it works, else process. */
  readonly isolation: Isolation | 'auto';
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

/** Finds out what can run here and how strictly. Starts no worker yet; throws where the wanted isolation does not work. */
export async function openSandbox(options: SandboxOptions): Promise<CodeSandbox> {
  const limits = { ...PROCESS_LIMITS, ...options.limits };
  const leaseMs = options.leaseMs ?? 15_000;
  const isolation = await chooseIsolation(options);
  if (isolation === 'process')
    options.warn('Step code runs without bubblewrap: separate processes with limits, but with network and file access.');
  const pythons = options.python === null ? [] : await findPythons(options.python);
  let runtime: Runtime | null = 'python3';
  let launch = await launchPython(pythons, isolation, limits, leaseMs);
  if (!launch) {
    runtime = 'pyodide';
    launch = await launchPyodide(isolation, limits, leaseMs);
    if (!launch) runtime = null;
    options.warn(
      launch
        ? 'No usable python3 was found: Python steps run on Pyodide, with its own libraries only.'
        : 'Python steps cannot run: neither python3 nor Pyodide works here.',
    );
  }
  const [wanted] = pythons;
  if (launch && runtime === 'python3' && wanted && ![launch.command, ...launch.args].includes(wanted.command)) {
    options.warn(`Python steps run on the system's python3: ${wanted.command} is out of reach for the user that runs step code.`);
  }
  if (launch && isolation === 'process' && launch.user === null && process.getuid?.() === 0) {
    options.warn('Step code runs as root: no interpreter is reachable for the user nobody.');
  }
  return new CodeSandbox(runtime, isolation, launch, limits, leaseMs, options);
}

async function chooseIsolation(options: SandboxOptions): Promise<Isolation> {
  if (options.isolation === 'process') return 'process';
  const trial = {
    command: 'bwrap',
    args: ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--', '/bin/true'],
    user: null,
    ownFolder: false,
  };
  if ((await tryLaunch(trial)) !== null) return 'bubblewrap';
  if (options.isolation === 'bubblewrap')
    throw new Error('bubblewrap was asked for, but bwrap is not installed or may not make namespaces here');
  return 'process';
}

/** Runs step code in pooled processes: one pool per language. */
export class CodeSandbox implements Sandbox {
  private readonly pool: ProcessPool | null;

  constructor(
    readonly runtime: Runtime | null,
    readonly isolation: Isolation,
    launch: Launch | null,
    limits: ProcessLimits,
    leaseMs: number,
    options: Pick<SandboxOptions, 'workers' | 'callsPerWorker'>,
  ) {
    const maxFrameBytes = limits.resultBytes + limits.logBytes * 6 + ANSWER_MARGIN_BYTES;
    this.pool =
      launch &&
      new ProcessPool({ launch, workers: options.workers ?? 4, callsPerWorker: options.callsPerWorker ?? 200, leaseMs, maxFrameBytes });
  }

  get networkDenied(): boolean {
    return this.isolation === 'bubblewrap';
  }

  /** Ids of the processes that live now. */
  get pids(): number[] {
    return this.pool?.pids ?? [];
  }

  /** Starts a process ahead of the first call. */
  warm(): void {
    this.pool?.warm();
  }

  async runPython(call: PythonCall): Promise<PythonOutcome> {
    if (!this.pool) throw new SandboxError('runtime_unavailable', 'Neither python3 nor Pyodide can run here.', false);
    const { executionId, claimNo, code, inputs, fallbacks, context } = call;
    try {
      return outcomeOf(
        await this.pool.call(
          call.tenantId,
          { execution_id: executionId, claim_no: claimNo, code, inputs, fallbacks, context },
          call.signal,
        ),
      );
    } catch (error) {
      if (error instanceof ProcessLost) throw new SandboxError('process_lost', `The code did not end: ${error.message}.`, true);
      if (error instanceof FrameTooLarge) throw new SandboxError('result_too_large', 'The answer of the code is above the limit.', false);
      throw error;
    }
  }

  /** Kills all processes; calls under way fail. */
  async close(): Promise<void> {
    await this.pool?.close();
  }
}

function outcomeOf(answer: JsonObject): PythonOutcome {
  const logs = textOf(answer['logs']);
  if (answer['ok'] === true) return { ok: true, value: answer['value'] ?? null, logs };
  const code = answer['code'] === 'result_not_storable' || answer['code'] === 'result_too_large' ? answer['code'] : 'python_error';
  return { ok: false, code, type: textOf(answer['type']), message: textOf(answer['message']), frames: answer['frames'] ?? [], logs };
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
