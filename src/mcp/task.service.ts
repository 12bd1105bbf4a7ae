import { Injectable } from '@nestjs/common';
import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import { EngineError } from '../engine/engine-error.js';
import { ControlService } from '../execution/control.service.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';
import { StatusService } from '../status/status.service.js';
import { CatalogHeadRepository } from '../storage/repositories/catalog-head.repository.js';
import { capabilitiesOf, requireTasks } from './client-capabilities.js';
import { sortAnswers } from './input-answers.js';
import { type McpRequest, requireScope } from './mcp-caller.js';
import { protocolErrorOf } from './mcp-errors.js';
import { McpKeys } from './mcp-keys.js';
import { OpenInputs } from './open-inputs.service.js';
import { executionOfTask } from './task-id.js';
import { TaskViews } from './task-views.js';
import { ToolService } from './tool.service.js';

/** The Tasks extension: executions that nobody waits for, asked for by their clients. */
@Injectable()
export class TaskService {
  constructor(
    private readonly status: StatusService,
    private readonly control: ControlService,
    private readonly heads: CatalogHeadRepository,
    private readonly inputs: OpenInputs,
    private readonly tools: ToolService,
    private readonly views: TaskViews,
    private readonly keys: McpKeys,
  ) {}

  /** The task, with its result, its error or what it asks for. */
  async get(request: McpRequest, taskId: string): Promise<Record<string, unknown>> {
    requireScope(request.caller.principal, 'executions:read');
    const execution = await this.executionOf(request, taskId);
    const { principal } = request.caller;
    if (execution.status === 'cancelled') return { ...(await this.views.of(principal, execution, 'cancelled')) };
    if (execution.status === 'completed' || execution.status === 'failed') return this.ended(request, execution);
    const inputRequests = await this.openRequests(request, execution);
    if (inputRequests === null) return { ...(await this.views.of(principal, execution, 'working')) };
    return { ...(await this.views.of(principal, execution, 'input_required')), inputRequests };
  }

  /** Takes answers, all of them or some; those that nobody asked for, or that do not fit, are ignored, as is the protocol's way. */
  async update(request: McpRequest, taskId: string): Promise<Record<string, unknown>> {
    const { principal } = request.caller;
    requireScope(principal, 'executions:control');
    const execution = await this.executionOf(request, taskId);
    const step = askingStepOf(execution);
    const open = step === null ? null : await this.inputs.of(principal, execution.id, step);
    if (!open) return {};
    const answers = { ...request.context.mcpReq.inputResponses, ...open.answers };
    const { answered, assumed, open: unanswered, isStuck } = sortAnswers(open.requests, answers, capabilitiesOf(request));
    if (Object.keys(answered).length === 0) return {};
    const isOver = Object.keys(unanswered).length === 0 && !isStuck;
    await this.inputs.give(principal, open, isOver ? { ...assumed, ...answered } : answered);
    return {};
  }

  /** Asks the execution to end as cancelled; of one that has ended, nothing is asked. */
  async cancel(request: McpRequest, taskId: string): Promise<Record<string, unknown>> {
    const { principal } = request.caller;
    requireScope(principal, 'executions:control');
    const { id } = await this.executionOf(request, taskId);
    try {
      await this.control.cancel(principal, id, { reason: 'The MCP client cancelled the task.', cascade: true, force: false });
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'conflict') throw error;
    }
    return {};
  }

  private async ended(request: McpRequest, execution: ExecutionDetail): Promise<Record<string, unknown>> {
    const { principal } = request.caller;
    const head = await this.heads.byPath(principal.tenant, execution.path);
    try {
      const result = await this.tools.ended(request, execution, head?.card.outputSchema != null);
      return { ...(await this.views.of(principal, execution, 'completed')), result };
    } catch (error) {
      const { code, message, data } = protocolErrorOf(error);
      return {
        ...(await this.views.of(principal, execution, 'failed')),
        error: { code, message, ...(data === undefined ? {} : { data }) },
      };
    }
  }

  /** What is still to be answered; null where nothing is asked. */
  private async openRequests(request: McpRequest, execution: ExecutionDetail): Promise<Record<string, unknown> | null> {
    const step = askingStepOf(execution);
    const open = step === null ? null : await this.inputs.of(request.caller.principal, execution.id, step);
    if (!open) return null;
    return sortAnswers(open.requests, open.answers, capabilitiesOf(request)).open;
  }

  /** @throws ProtocolError for ids that are none, also another tenant's */
  private async executionOf(request: McpRequest, taskId: string): Promise<ExecutionDetail> {
    requireTasks(request);
    const { principal } = request.caller;
    const id = executionOfTask(await this.keys.key(), principal.tenant, taskId);
    const found = id === null ? null : await this.status.detail(principal, id, null).catch(nullIfUnknown);
    if (!found) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'There is no such task.', { code: 'unknown_execution' });
    return found;
  }
}

const askingStepOf = ({ waiting_for: waiting }: ExecutionDetail): string | null => (waiting?.kind === 'input' ? waiting.name : null);

function nullIfUnknown(error: unknown): null {
  if (error instanceof EngineError && error.kind === 'not_found') return null;
  throw error;
}
