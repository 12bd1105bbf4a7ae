import { Injectable } from '@nestjs/common';
import {
  type CallToolResult,
  type InputRequiredResult,
  type ListToolsResult,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import { EngineError } from '../engine/engine-error.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';
import { StatusService } from '../status/status.service.js';
import { type CatalogHead, CatalogHeadRepository } from '../storage/repositories/catalog-head.repository.js';
import { CONSTANT_TOOLS, type ConstantTool } from '../storage/tool-names.js';
import { callResultOf, goingOnResult, isLargeResult } from './call-result.js';
import { CallService, type CallAnswer, type CalledEntry } from './call.service.js';
import { CONSTANT_TOOL_DEFINITIONS } from './constant-tools.js';
import { afterOfCursor, listCursor } from './list-cursor.js';
import { type McpRequest, type ToolList } from './mcp-caller.js';
import { refusalText } from './mcp-errors.js';
import { McpKeys } from './mcp-keys.js';
import { type CreatedTask, TaskViews } from './task-views.js';
import { TOOL_KINDS, toolOf } from './tool-definition.js';

const PAGE = 100;
/** Characters of a large result that are read for a client that is to get it as it is. */
const LARGEST_VERBATIM = 8 * 1024 * 1024;

export type ToolAnswer = CallToolResult | InputRequiredResult | CreatedTask;

/** What is called: an entry, and how its result is to be shown. */
export interface ToolCall extends CalledEntry {
  readonly declaresOutput: boolean;
}

/** Entries of the catalog as tools. */
@Injectable()
export class ToolService {
  constructor(
    private readonly heads: CatalogHeadRepository,
    private readonly calls: CallService,
    private readonly status: StatusService,
    private readonly tasks: TaskViews,
    private readonly keys: McpKeys,
  ) {}

  /** A page in the order of names; the tools of the service itself come first, on the default list and on that of everything. */
  async list({ caller, era }: McpRequest, cursor: string | undefined): Promise<ListToolsResult> {
    const { tenant } = caller.principal;
    const key = await this.keys.key();
    const list = `${tenant}\ntools\n${nameOfList(caller.list)}`;
    const after = afterOfCursor(key, list, cursor);
    const found = await this.heads.page(tenant, { kinds: TOOL_KINDS, exposedOn: exposedOn(caller.list) }, after, PAGE + 1);
    const page = found.slice(0, PAGE);
    const own = after === null ? constantTools(caller.list).map((name) => CONSTANT_TOOL_DEFINITIONS[name]) : [];
    const last = page.at(-1);
    return {
      tools: [...own, ...page.map((head) => toolOf(head, era === 'modern'))],
      ...(last && found.length > PAGE ? { nextCursor: listCursor(key, list, last.toolName) } : {}),
    };
  }

  /** The entry that is called by a name here. @throws ProtocolError for a name that is none */
  async called({ caller }: McpRequest, name: string): Promise<CatalogHead> {
    const head = await this.heads.byToolName(caller.principal.tenant, name);
    const { list } = caller;
    const isHere = head && TOOL_KINDS.includes(head.kind) && (list.kind !== 'set' || head.exposed.includes(list.name));
    if (!isHere) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${name.slice(0, 128)}`, { code: 'unknown_tool' });
    return head;
  }

  /** Calls an entry by its name. @throws ProtocolError, EngineError */
  async call(request: McpRequest, name: string, parameters: JsonObject): Promise<ToolAnswer> {
    const { path, card } = await this.called(request, name);
    const call = {
      path,
      version: 'latest',
      parameters,
      task: card.task,
      purpose: `tools/call ${name}`,
      declaresOutput: card.outputSchema !== null,
    };
    return this.run(request, call);
  }

  /** Arguments that do not fit, and whatever else a model can do better next time, are results; the rest are errors. */
  async run(request: McpRequest, call: ToolCall): Promise<ToolAnswer> {
    try {
      return await this.shown(request, await this.calls.call(request, call), call.declaresOutput);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'invalid') throw error;
      return { content: [{ type: 'text', text: refusalText(error) }], isError: true };
    }
  }

  private async shown(request: McpRequest, answer: CallAnswer, declaresOutput: boolean): Promise<ToolAnswer> {
    switch (answer.kind) {
      case 'input':
        return answer.result;
      case 'task':
        return this.tasks.created(request.caller.principal, answer.execution);
      case 'going_on':
        return goingOnResult(answer.execution, declaresOutput);
      case 'ended':
        return this.ended(request, answer.execution, declaresOutput);
    }
  }

  /** The end of a call as its client gets it. @throws ProtocolError where the service is at fault */
  async ended({ caller }: McpRequest, execution: ExecutionDetail, declaresOutput: boolean): Promise<CallToolResult> {
    if (!isLargeResult(execution.result, execution.id)) return callResultOf(execution, declaresOutput);
    const text = String(await this.status.resultText(caller.principal, execution.id));
    if (text.length > LARGEST_VERBATIM) return callResultOf(execution, declaresOutput);
    const whole = JSON.parse(text) as Json;
    // Blocks such as images are what the tool is for; other large values stay where they are, and clients fetch what they need.
    return callResultOf(isObject(whole) && '$mcp' in whole ? { ...execution, result: whole } : execution, declaresOutput);
  }
}

/** Tools that a list has besides entries: those to find things with only where not everything is meant to be in sight. */
export function constantTools(list: ToolList): readonly ConstantTool[] {
  return list.kind === 'set' ? ['execution_status', 'execution_cancel'] : CONSTANT_TOOLS;
}

const exposedOn = (list: ToolList): string | null => (list.kind === 'all' ? null : list.kind === 'pinned' ? 'pinned' : list.name);
const nameOfList = (list: ToolList): string => (list.kind === 'set' ? `set ${list.name}` : list.kind);
