import { type Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OnnxLoan, type OnnxModel, type OnnxModels } from '../engine/onnx-port.js';
import { type FailureCode } from '../engine/error-codes.js';
import { StepFailure } from '../engine/step-executor.js';
import { type TensorRule } from '../engine/tensors/tensor.js';
import { type JsonObject } from '../engine/values.js';
import { FrameTooLarge } from './frames.js';
import { type Isolation } from './isolation.js';
import { PROCESS_LIMITS } from './launch.js';
import { launchNode } from './node-runtime.js';
import { onnxHarness } from './onnx-harness.js';
import { ProcessPool } from './process-pool.js';
import { ProcessLost } from './worker-process.js';

const MEBIBYTE = 1_048_576;
const ANSWER_MARGIN_BYTES = 4 * MEBIBYTE;
/** Loading a model may take long, so that its process is kept for long. */
const CALLS_PER_WORKER = 10_000;
const RUNTIME = 'onnxruntime-node';

export interface OnnxOptions {
  /** Real path of the folder below which models lie; null: there are none. */
  readonly root: string | null;
  readonly isolation: Isolation;
  readonly leaseMs: number;
  readonly workers: number;
  /** Of each process, models included. */
  readonly memoryBytes: number;
}

/** Where a package lies, and what must be readable beside it. */
interface RuntimeModule {
  readonly file: string;
  readonly folders: readonly string[];
}

type Call = (message: JsonObject) => Promise<JsonObject>;

/**
 * ONNX models in pooled processes that no two tenants share: native code that reads files and computes for long has no place in the service. The runtime
 * is a package that need not be installed; it is looked for when the first model is asked.
 */
export class OnnxProcesses implements OnnxModels {
  private pool: Promise<ProcessPool> | null = null;

  constructor(
    private readonly options: OnnxOptions,
    private readonly findRuntime: () => RuntimeModule | null = installedRuntime,
  ) {}

  async use<Result>({ tenantId, file, signal }: OnnxLoan, work: (model: OnnxModel) => Promise<Result>): Promise<Result> {
    const { root } = this.options;
    if (root === null) throw unavailable('Models in files need MODEL_ROOT, which is not set here');
    const { path, key } = await modelFile(root, file);
    const pool = await this.processes(root);
    try {
      return await pool.lend(tenantId, signal, async (call) => {
        const { digest, inputs, outputs } = await ask(call, { op: 'open', key, file: path });
        const run: OnnxModel['run'] = async (tensors, names) => {
          const answer = await ask(call, { op: 'run', key, inputs: tensors as never, outputs: [...names] });
          return answer['outputs'] as JsonObject[];
        };
        return work({ digest: digest as string, inputs: inputs as TensorRule[], outputs: outputs as TensorRule[], run });
      });
    } catch (error) {
      if (error instanceof ProcessLost) throw new StepFailure('model_error', `The process of the model did not answer: ${error.message}`);
      if (error instanceof FrameTooLarge) throw tooLarge();
      throw error;
    }
  }

  async close(): Promise<void> {
    await (await this.pool?.catch(() => null))?.close();
  }

  /** Asked again where it failed: the package may be installed meanwhile. */
  private async processes(root: string): Promise<ProcessPool> {
    const pool = (this.pool ??= this.open(root));
    return pool.catch((error: unknown) => {
      if (this.pool === pool) this.pool = null;
      throw error;
    });
  }

  private async open(root: string): Promise<ProcessPool> {
    const module = this.findRuntime();
    if (!module) throw unavailable(`Models in ONNX files need the package ${RUNTIME}, which is not installed on this node`);
    const { isolation, leaseMs, workers, memoryBytes } = this.options;
    const threads = Math.max(1, Math.floor(availableParallelism() / workers));
    const launch = await launchNode(isolation, {
      harness: onnxHarness(module.file),
      folders: [...module.folders, root],
      settings: { leaseMs, memoryBytes, threads, root, resultBytes: PROCESS_LIMITS.resultBytes },
    });
    if (!launch) throw unavailable(`The folders of ${RUNTIME} and of MODEL_ROOT cannot be read by the user that runs models`);
    const maxFrameBytes = PROCESS_LIMITS.resultBytes + ANSWER_MARGIN_BYTES;
    return new ProcessPool({ launch, workers, callsPerWorker: CALLS_PER_WORKER, leaseMs, maxFrameBytes });
  }
}

const CODES: Readonly<Record<string, FailureCode>> = { runtime: 'provider_unavailable', load: 'model_unavailable', run: 'model_error' };

async function ask(call: Call, message: JsonObject): Promise<JsonObject> {
  const { failure, message: why, ...answer } = await call(message);
  if (failure === undefined) return answer;
  if (failure === 'large') throw tooLarge();
  const what =
    failure === 'runtime' ? `${RUNTIME} cannot be loaded` : failure === 'load' ? 'The model cannot be loaded' : 'The model failed';
  throw new StepFailure(CODES[failure as string]!, `${what}: ${why as string}`, { retryable: false });
}

/**
 * The file of a model, and what it is known by: another file under the same name is another model.
 * @throws StepFailure `model_unavailable` for what is no file below the root, also by a link
 */
async function modelFile(root: string, name: string): Promise<{ path: string; key: string }> {
  const refused = (message: string): StepFailure => new StepFailure('model_unavailable', message, { retryable: false });
  if (/[\\\p{Cc}]/u.test(name) || name.split('/').includes('..')) throw refused('The name of the model leads out of MODEL_ROOT');
  const given = name.startsWith(root + sep) ? name : join(root, name);
  let path: string;
  let found: Stats;
  try {
    path = await realpath(given);
    found = await stat(path);
  } catch {
    throw refused('There is no such model below MODEL_ROOT');
  }
  if (!path.startsWith(root + sep) || !found.isFile()) throw refused('The model is no file below MODEL_ROOT');
  return { path, key: [path, found.ino, found.size, found.mtimeMs].join(':') };
}

function installedRuntime(): RuntimeModule | null {
  try {
    const file = fileURLToPath(import.meta.resolve(RUNTIME));
    const common = createRequire(file).resolve('onnxruntime-common');
    return { file, folders: [packageOf(file, RUNTIME), packageOf(common, 'onnxruntime-common')] };
  } catch {
    return null;
  }
}

function packageOf(file: string, name: string): string {
  const inside = `${sep}${name}${sep}`;
  return file.slice(0, file.lastIndexOf(inside) + inside.length - 1);
}

function unavailable(message: string): StepFailure {
  return new StepFailure('provider_unavailable', `${message}.`, { retryable: false });
}

function tooLarge(): StepFailure {
  return new StepFailure('result_too_large', 'The tensors are more than a step may return.', { retryable: false });
}
