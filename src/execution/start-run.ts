import { type Principal } from '../common/principal.js';
import { type IdempotencyClaim } from '../engine/ports.js';
import { type RunEvent } from '../engine/run/events.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionType } from '../status/dto/execution-type.js';
import { type ExecutionRecord } from '../storage/execution-record.js';
import { type StartOptions } from './start-options.js';

/** The command both REST styles, batch, schedules and MCP become. */
export interface StartRun {
  readonly principal: Principal;
  readonly lookup:
    | { readonly style: 'id'; readonly id: string; readonly version: string | null }
    | { readonly style: 'path'; readonly path: string; readonly version: string };
  /** null: the kind of the entry. */
  readonly executionType: ExecutionType | null;
  readonly parameters: JsonObject;
  /** Where they stand in the request, for pointers of errors; left out: /parameters. */
  readonly parametersAt?: string;
  /** The tool that the request names, and where it does; left out or null: none. */
  readonly tool?: { readonly name: string; readonly pointer: string } | null;
  /** Where the parts of a model call stand, where that is not below the parameters; by the key of the part. */
  readonly modelAt?: Readonly<Record<string, string>>;
  readonly merge: boolean;
  /** sync_to_postgres. */
  readonly durable: boolean;
  readonly parent: { readonly executionId: string | null; readonly eventId: string | null; readonly step: string | null };
  readonly metadata: JsonObject;
  /** The execution this one starts again; null for a fresh one. */
  readonly forkedFrom: string | null;
  /** What of that one's history counts as having happened; empty for a start from the beginning. */
  readonly kept: readonly RunEvent[];
  /** Who started the executions it is made from; left out: it is made from none, or nobody is known. */
  readonly requesters?: readonly string[];
  readonly options: StartOptions;
  /** The same key and body again are the same start; null: every request is a new one. */
  readonly idempotency: IdempotencyClaim | null;
  /** How long the caller wants to wait for the end, already clamped; null = not at all. */
  readonly waitMs: number | null;
}

/** What a start, or the wait after it, came to. */
export interface StartedRun {
  readonly execution: ExecutionRecord;
  readonly result: Json;
  readonly ended: boolean;
  readonly durable: boolean;
  /** True where the idempotency key named a start of before: this is that execution, nothing was started. */
  readonly replayed: boolean;
  /** Texts for HTTP Warning headers. */
  readonly warnings: readonly string[];
  /** Milliseconds of wait that were granted; null where nothing was waited for. */
  readonly waitApplied: number | null;
}

/** What is different this time; null: as it was. */
export interface RestartChange {
  readonly version: string | null;
  readonly parameters: JsonObject | null;
  readonly options: StartOptions;
}

export interface CancelRun {
  readonly reason: string | null;
  readonly cascade: boolean;
  /** Aborts running steps without grace. */
  readonly force: boolean;
}

/** What a wish about a going execution came to. */
export interface ControlledRun {
  readonly execution: ExecutionRecord;
  /** True where it was so, or asked to be, before. */
  readonly alreadySo: boolean;
}

export interface CancelledRun {
  readonly execution: ExecutionRecord;
  /** Ids of the executions that this call cancelled. */
  readonly cancelled: readonly string[];
  readonly message: string;
  /** True where the execution was cancelled, or asked to be, before. */
  readonly alreadySo: boolean;
}
