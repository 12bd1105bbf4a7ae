import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { Settings } from '../config/settings.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';
import { McpKeys } from './mcp-keys.js';
import { taskIdOf } from './task-id.js';

export type TaskStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

/** A task as every answer about it begins (SEP-2663). */
export interface TaskView {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
  /** Milliseconds from its creation for which it can be asked for; null: for good. */
  readonly ttlMs: number | null;
  readonly pollIntervalMs: number;
  readonly statusMessage?: string;
}

/** A call that became a task. */
export interface CreatedTask extends TaskView {
  readonly resultType: 'task';
  /** The protocol lets results say more. */
  readonly [more: string]: unknown;
}

const POLL_MS = 1_000;

/** Executions as tasks. */
@Injectable()
export class TaskViews {
  constructor(
    private readonly settings: Settings,
    private readonly keys: McpKeys,
  ) {}

  async created(principal: Principal, execution: ExecutionDetail): Promise<CreatedTask> {
    return { resultType: 'task', ...(await this.of(principal, execution, 'working')) };
  }

  async of(principal: Principal, execution: ExecutionDetail, status: TaskStatus): Promise<TaskView> {
    const { id, start_time: createdAt, updated_at: lastUpdatedAt } = execution;
    const message = messageOf(execution);
    return {
      taskId: taskIdOf(await this.keys.key(), principal.tenant, id),
      status,
      createdAt,
      lastUpdatedAt,
      ttlMs: this.shortestKept(),
      pollIntervalMs: POLL_MS,
      ...(message === null ? {} : { statusMessage: message }),
    };
  }

  /** How it will end decides how long it is kept, and so may its path: the shortest of all rules can be promised. */
  private shortestKept(): number | null {
    const kept = this.settings.retention.flatMap(({ keptMs }) => keptMs ?? []);
    return kept.length === 0 ? null : Math.floor(Math.min(...kept));
  }
}

function messageOf({ status, current_step: step, progress, waiting_for: waiting, error }: ExecutionDetail): string | null {
  if (error !== null) return error;
  if (status !== 'running' && status !== 'pending' && status !== 'paused') return null;
  if (waiting !== null) return `waits for ${waiting.kind}${waiting.name === null ? '' : ` ${waiting.name}`} (${progress} %)`;
  return `${step ?? status} (${progress} %)`;
}
