import { Injectable } from '@nestjs/common';
import { type CallToolResult } from '@modelcontextprotocol/server';
import { CatalogService } from '../catalog/catalog.service.js';
import { EngineError } from '../engine/engine-error.js';
import { compileJsonSchema, type JsonSchema } from '../engine/playbook/json-schema.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { ControlService } from '../execution/control.service.js';
import { StatusService } from '../status/status.service.js';
import { type CatalogHead, CatalogHeadRepository } from '../storage/repositories/catalog-head.repository.js';
import { CONSTANT_TOOLS, type ConstantTool } from '../storage/tool-names.js';
import { envelopeOf } from './call-result.js';
import { CONSTANT_TOOL_DEFINITIONS } from './constant-tools.js';
import { type McpRequest, requireScope } from './mcp-caller.js';
import { refusalText } from './mcp-errors.js';
import { KIND_OF_TYPE, TOOL_KINDS } from './tool-definition.js';
import { constantTools, type ToolAnswer, ToolService } from './tool.service.js';

const DEFAULT_LIMIT = 10;
/** Versions that are told of; the newest. */
const MOST_VERSIONS = 20;

/** The tools of the service itself: with them a client finds, runs and follows whatever its list of tools does not show. */
@Injectable()
export class ConstantToolService {
  private readonly schemas = new Map<ConstantTool, JsonSchema>(
    CONSTANT_TOOLS.map((name) => [name, compileJsonSchema(CONSTANT_TOOL_DEFINITIONS[name].inputSchema as JsonObject)]),
  );

  constructor(
    private readonly heads: CatalogHeadRepository,
    private readonly catalog: CatalogService,
    private readonly status: StatusService,
    private readonly control: ControlService,
    private readonly tools: ToolService,
  ) {}

  /** The constant tool of a name on the caller's list; null where the name is none. */
  named({ caller }: McpRequest, name: string): ConstantTool | null {
    return constantTools(caller.list).find((known) => known === name) ?? null;
  }

  /** Calls one. What a model can do better next time is a result, not an error. */
  async call(request: McpRequest, name: ConstantTool, given: JsonObject): Promise<ToolAnswer> {
    try {
      const issues = this.schemas.get(name)!.issuesOf(given);
      if (issues.length > 0) throw new EngineError('invalid', 'invalid_parameters', 'The arguments do not fit the input schema.', issues);
      return await this.perform(request, name, given);
    } catch (error) {
      if (!(error instanceof EngineError) || !['invalid', 'not_found', 'conflict', 'unreadable'].includes(error.kind)) throw error;
      return { content: [{ type: 'text', text: refusalText(error) }], isError: true };
    }
  }

  private async perform(request: McpRequest, name: ConstantTool, given: JsonObject): Promise<ToolAnswer> {
    const { principal } = request.caller;
    switch (name) {
      case 'catalog_search':
        requireScope(principal, 'catalog:read');
        return structured({ entries: await this.search(request, given) });
      case 'catalog_describe':
        requireScope(principal, 'catalog:read');
        return structured(await this.describe(request, given));
      case 'execute':
        return this.execute(request, given);
      case 'execution_status':
        requireScope(principal, 'executions:read');
        return this.statusOf(request, String(given.execution_id));
      case 'execution_cancel':
        requireScope(principal, 'executions:control');
        return this.cancel(request, given);
    }
  }

  private async search({ caller }: McpRequest, { query, type, limit }: JsonObject): Promise<Json[]> {
    const kinds = typeof type === 'string' ? [KIND_OF_TYPE[type]!] : TOOL_KINDS;
    const found = await this.heads.search(
      caller.principal.tenant,
      typeof query === 'string' ? query : '',
      kinds,
      typeof limit === 'number' ? limit : DEFAULT_LIMIT,
    );
    return found.map(shortly);
  }

  private async describe({ caller }: McpRequest, { path, version }: JsonObject): Promise<JsonObject> {
    const { tenant } = caller.principal;
    const { entry, warnings } = await this.catalog.resolve(tenant, { style: 'path', path: String(path), version: textOf(version) });
    const [card, known, head] = await Promise.all([
      this.heads.cardOf(tenant, entry.id),
      this.catalog.versions(tenant, entry.path),
      this.heads.byPath(tenant, entry.path),
    ]);
    return {
      path: entry.path,
      version: entry.version,
      type: entry.kind.toLowerCase(),
      status: entry.status,
      tool_name: head?.toolName ?? null,
      title: card.title,
      description: card.description,
      input_schema: card.inputSchema,
      output_schema: card.outputSchema,
      annotations: { ...card.annotations },
      versions: known.versions.slice(0, MOST_VERSIONS).map((each) => each.version),
      ...(warnings.length > 0 ? { warnings: [...warnings] } : {}),
    };
  }

  private async execute(request: McpRequest, { path, version, arguments: parameters }: JsonObject): Promise<ToolAnswer> {
    const { entry } = await this.catalog.resolve(request.caller.principal.tenant, {
      style: 'path',
      path: String(path),
      version: textOf(version),
    });
    const card = await this.heads.cardOf(request.caller.principal.tenant, entry.id);
    return this.tools.run(request, {
      path: entry.path,
      version: textOf(version) ?? 'latest',
      parameters: (parameters ?? {}) as JsonObject,
      task: card.task,
      purpose: `tools/call execute ${entry.path}`,
      declaresOutput: card.outputSchema !== null,
    });
  }

  private async statusOf({ caller }: McpRequest, id: string): Promise<CallToolResult> {
    const execution = await this.status.detail(caller.principal, id, null);
    const { path, version, status, progress, current_step, waiting_for, result, error, error_details, start_time, end_time } = execution;
    const seen = { execution_id: execution.id, path, version, status, progress, current_step, waiting_for, result, error, error_details };
    return { ...structured({ ...seen, start_time, end_time } as unknown as JsonObject), _meta: envelopeOf(execution) };
  }

  private async cancel({ caller }: McpRequest, { execution_id: id, reason }: JsonObject): Promise<CallToolResult> {
    const wish = { reason: textOf(reason), cascade: true, force: false };
    const { execution, message } = await this.control.cancel(caller.principal, String(id), wish);
    return structured({ execution_id: execution.id, status: execution.status, message });
  }
}

const textOf = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null);

function shortly({ path, version, kind, toolName, card }: CatalogHead): JsonObject {
  return { path, version, type: kind.toLowerCase(), tool_name: toolName, title: card.title, description: card.description };
}

function structured(content: JsonObject): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(content) }], structuredContent: content };
}
