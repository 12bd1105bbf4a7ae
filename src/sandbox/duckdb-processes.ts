import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type StatementOutcome } from '../engine/database-port.js';
import {
  type DuckDb,
  type DuckDbCall,
  type DuckDbLoan,
  type DuckDbOutcome,
  type DuckDbSecret,
  type DuckDbSession,
} from '../engine/duckdb-port.js';
import { OutboundError } from '../engine/outbound-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type JsonObject } from '../engine/values.js';
import { type DestinationCheck } from '../outbound/destination.js';
import { DuckDbFolders } from './duckdb-folders.js';
import { duckDbHarness } from './duckdb-harness.js';
import { withDuckDbSession } from './duckdb-session.js';
import { FrameTooLarge } from './frames.js';
import { type Isolation } from './isolation.js';
import { PROCESS_LIMITS } from './launch.js';
import { KeyedTurns } from './keyed-turns.js';
import { launchNode } from './node-runtime.js';
import { ProcessPool } from './process-pool.js';
import { ProcessLost } from './worker-process.js';

const MEBIBYTE = 1_048_576;
const ANSWER_MARGIN_BYTES = 4 * MEBIBYTE;
/** Of the process besides what DuckDB counts. */
const PROCESS_MARGIN_BYTES = 512 * MEBIBYTE;
const SWEEP_MS = 30_000;
/** Executions without rows leave nothing by which their end could be known; none lasts so long. */
const FORGOTTEN_MS = 3_600_000;

export interface DuckDbOptions {
  /** Where databases lie. */
  readonly folder: string;
  readonly isolation: Isolation;
  /** Why nothing may run here; null: it may. */
  readonly refusal: string | null;
  readonly leaseMs: number;
  readonly workers: number;
  /** What DuckDB may use of each process before it spills to disk. */
  readonly memoryBytes: number;
  /** With extensions that the operator provides; null: none. */
  readonly extensions: string | null;
  readonly check: DestinationCheck;
  /** There is an egress proxy, which extensions of DuckDB know nothing of. */
  readonly behindProxy: boolean;
  /** Which of these executions are going on, and which are over; what is in neither has no row. */
  readonly stateOf: (executionIds: readonly string[]) => Promise<ReadonlyMap<string, 'going' | 'over'>>;
  readonly warn: (message: string) => void;
}

/** DuckDB in pooled processes that no two tenants share; databases are files, opened for each call. */
export class DuckDbProcesses implements DuckDb {
  private readonly turns = new KeyedTurns();
  private readonly sweeper: NodeJS.Timeout;
  private pool: Promise<ProcessPool | null> | null = null;
  private made: DuckDbFolders | null = null;

  constructor(private readonly options: DuckDbOptions) {
    this.sweeper = setInterval(() => void this.sweep().catch(() => {}), SWEEP_MS);
    this.sweeper.unref();
  }

  async run(call: DuckDbCall): Promise<DuckDbOutcome> {
    const pool = await this.processes();
    const folder = this.folders.execution(call.executionId);
    const database = this.fileOf(call, call.database);
    const secrets = await Promise.all(call.secrets.map((secret) => this.checked(secret, call.signal)));
    const { statements, transaction, files, maxRows, tenantId, signal } = call;
    const message = { folder, database, secrets, statements, transaction, files, maxRows } as unknown as JsonObject;
    const leave = await this.turns.enter(database, signal);
    try {
      const { id: _, ...outcome } = await pool.call(tenantId, message, signal);
      return outcome as unknown as DuckDbOutcome & { readonly results: readonly StatementOutcome[] };
    } catch (error) {
      throw failureOf(error);
    } finally {
      leave();
    }
  }

  async use<Result>(loan: DuckDbLoan, work: (session: DuckDbSession) => Promise<Result>): Promise<Result> {
    const { executionId, tenantId, signal } = loan;
    const pool = await this.processes();
    const folder = this.folders.execution(executionId);
    const [read, write] = [loan.read, loan.write].map((name) => (name === undefined ? null : this.fileOf(loan, name))) as [File, File];
    // In one order for everybody, so that nobody waits in a circle.
    const files = [...new Set([read, write])].filter((file) => file !== null).sort();
    const leaves: (() => void)[] = [];
    try {
      for (const file of files) leaves.push(await this.turns.enter(file, signal));
      return await pool.lend(tenantId, signal, (call) => withDuckDbSession(call, { folder, read, write }, work));
    } catch (error) {
      throw failureOf(error);
    } finally {
      for (const leave of leaves) leave();
    }
  }

  private async processes(): Promise<ProcessPool> {
    const { refusal } = this.options;
    if (refusal !== null) throw new StepFailure('sandbox_unavailable', `DuckDB cannot run: ${refusal}`, { retryable: false });
    const pool = await (this.pool ??= this.open());
    if (pool) return pool;
    throw new StepFailure('runtime_unavailable', 'DuckDB cannot run here: its package is not installed for this system', {
      retryable: false,
    });
  }

  private fileOf({ tenantId, executionId }: Pick<DuckDbLoan, 'tenantId' | 'executionId'>, database: string | null): string {
    return database === null ? `${this.folders.execution(executionId)}/private.duckdb` : this.folders.database(tenantId, database);
  }

  /** Made with the first step that needs them. */
  private get folders(): DuckDbFolders {
    return (this.made ??= new DuckDbFolders(this.options.folder));
  }

  /** Removes the folders of executions that are over. */
  async sweep(): Promise<void> {
    if (!existsSync(this.options.folder)) return;
    const found = await this.folders.executionsUntouchedFor(0);
    if (found.length === 0) return;
    const states = await this.options.stateOf(found);
    const forgotten = new Set(await this.folders.executionsUntouchedFor(FORGOTTEN_MS));
    for (const id of found) {
      const state = states.get(id);
      if (state === 'over' || (state === undefined && forgotten.has(id))) await this.folders.remove(id);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper);
    await (await this.pool)?.close();
  }

  private async open(): Promise<ProcessPool | null> {
    const module = moduleOf();
    if (!module) return null;
    const { isolation, leaseMs, workers, memoryBytes, extensions } = this.options;
    if (this.folders.owner === null && process.getuid?.() === 0 && isolation === 'process')
      this.options.warn(`DuckDB runs as root: ${this.folders.path} is out of reach for the user nobody.`);
    const launch = await launchNode(isolation, {
      harness: duckDbHarness(module.file),
      folders: extensions === null ? module.folders : [...module.folders, extensions],
      writable: [this.folders.path],
      network: extensions !== null,
      dropRights: this.folders.owner !== null,
      settings: {
        leaseMs,
        extensions,
        memoryBytes: memoryBytes + PROCESS_MARGIN_BYTES,
        memoryLimit: `${Math.floor(memoryBytes / MEBIBYTE)}MiB`,
        maxTempBytes: 4 * memoryBytes,
        threads: 2,
        resultBytes: PROCESS_LIMITS.resultBytes,
      },
    });
    return (
      launch &&
      new ProcessPool({ launch, workers, callsPerWorker: 200, leaseMs, maxFrameBytes: PROCESS_LIMITS.resultBytes + ANSWER_MARGIN_BYTES })
    );
  }

  /** A database host as an address that may be called; connecting to anything else would undo the check. */
  private async checked(secret: DuckDbSecret, signal: AbortSignal): Promise<DuckDbSecret> {
    const host = secret.parameters['HOST'];
    if (secret.type !== 'postgres' || host === undefined || this.options.extensions === null) return secret;
    if (this.options.behindProxy) {
      const message = 'DuckDB cannot connect to a database through OUTBOUND_PROXY; a transfer or a postgres step can';
      throw new StepFailure('outbound_blocked', message, { retryable: false });
    }
    try {
      const { addresses } = await this.options.check.destinationAt(host, Number(secret.parameters['PORT'] ?? 5432), signal);
      return { ...secret, parameters: { ...secret.parameters, HOST: addresses[0]! } };
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      throw new StepFailure(error.code, error.message, { retryable: error.retryable });
    }
  }
}

/** Path of a database; null: there is none. */
type File = string | null;

function failureOf(error: unknown): unknown {
  if (error instanceof ProcessLost) return new StepFailure('sql_error', `The database process did not answer: ${error.message}`);
  if (error instanceof FrameTooLarge)
    return new StepFailure('result_too_large', 'The rows are more than a step may return', { retryable: false });
  return error;
}

function moduleOf(): { file: string; folders: string[] } | null {
  try {
    const file = fileURLToPath(import.meta.resolve('@duckdb/node-api'));
    // The bindings, one package for every system, lie beside it.
    return { file, folders: [dirname(dirname(dirname(file)))] };
  } catch {
    return null;
  }
}
