import { Injectable } from '@nestjs/common';
import {
  type InputRequiredResult,
  type ListResourcesResult,
  type ListResourceTemplatesResult,
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceNotFoundError,
} from '@modelcontextprotocol/server';
import { CatalogService } from '../catalog/catalog.service.js';
import { EngineError } from '../engine/engine-error.js';
import { parseUriTemplate } from '../engine/playbook/uri-template.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { StatusService } from '../status/status.service.js';
import { type CatalogHead, CatalogHeadRepository } from '../storage/repositories/catalog-head.repository.js';
import { EVERY_EXECUTION } from '../storage/repositories/execution.repository.js';
import { CallService } from './call.service.js';
import { logLines } from './execution-log.js';
import { afterOfCursor, listCursor } from './list-cursor.js';
import { type McpRequest, requireScope } from './mcp-caller.js';
import { McpKeys } from './mcp-keys.js';
import { executionUri, parseServiceUri, type ServiceUri } from './resource-uri.js';

const PAGE = 100;
/** Executions that are listed: the newest. */
const LISTED_EXECUTIONS = 20;
/** Templates that a URI is held against. */
const MOST_TEMPLATES = 1_000;
/** Events whose logs are shown. */
const LOGGED_EVENTS = 5_000;
/** No page more is read once a log is so long. */
const LOGGED_CHARACTERS = 4 * 1024 * 1024;
/** Characters of a result that one answer may have. */
const LARGEST_RESULT = 8 * 1024 * 1024;

/** What the service itself has to read. */
const TEMPLATES: ListResourceTemplatesResult['resourceTemplates'] = [
  { uriTemplate: 'execution://{id}', name: 'execution', description: 'Status of an execution.', mimeType: 'application/json' },
  { uriTemplate: 'execution://{id}/logs', name: 'execution_logs', description: 'What an execution has logged.', mimeType: 'text/plain' },
  {
    uriTemplate: 'execution://{id}/result',
    name: 'execution_result',
    description: 'Result of an execution.',
    mimeType: 'application/json',
  },
  {
    uriTemplate: 'catalog://{type}/{+path}@{version}',
    name: 'catalog_entry',
    description: 'The document of a catalog entry as it was registered.',
    mimeType: 'application/yaml',
  },
];

/** Entries of kind Resource, executions and documents, read by URI. */
@Injectable()
export class ResourceService {
  constructor(
    private readonly heads: CatalogHeadRepository,
    private readonly catalog: CatalogService,
    private readonly status: StatusService,
    private readonly calls: CallService,
    private readonly keys: McpKeys,
  ) {}

  /** Resources of the catalog by name, then, on the last page, the newest executions. */
  async list(request: McpRequest, cursor: string | undefined): Promise<ListResourcesResult> {
    const { principal } = request.caller;
    const { page, nextCursor } = await this.page(request, 'resources', cursor, false);
    const resources = page.map((head) => ({ uri: head.uri!, ...described(head) }));
    if (nextCursor !== undefined) return { resources, nextCursor };
    const executions = principal.scopes.has('executions:read')
      ? (await this.status.list(principal, EVERY_EXECUTION, { before: null, offset: 0, limit: LISTED_EXECUTIONS })).items
      : [];
    const shown = executions.map(({ id, path, version, status }) => ({
      uri: executionUri(id),
      name: `execution ${id}`,
      description: `${path}@${version}: ${status}`,
      mimeType: 'application/json',
    }));
    return { resources: [...resources, ...shown] };
  }

  async templates(request: McpRequest, cursor: string | undefined): Promise<ListResourceTemplatesResult> {
    const { page, nextCursor } = await this.page(request, 'resource templates', cursor, true);
    const own = cursor === undefined ? TEMPLATES : [];
    return {
      resourceTemplates: [...own, ...page.map((head) => ({ uriTemplate: head.uri!, ...described(head) }))],
      ...(nextCursor === undefined ? {} : { nextCursor }),
    };
  }

  /** @throws ResourceNotFoundError, also for what belongs to another tenant */
  async read(request: McpRequest, uri: string): Promise<ReadResourceResult | InputRequiredResult> {
    const own = parseServiceUri(uri);
    if (own) return { contents: [{ uri, ...(await this.readOwn(request, uri, own)) }] };
    const { tenant } = request.caller.principal;
    const exact = await this.heads.byUri(tenant, uri);
    if (exact) return this.readEntry(request, exact, uri, {});
    for (const head of await this.heads.resources(tenant, true, null, MOST_TEMPLATES)) {
      const variables = parseUriTemplate(head.uri!)?.match(uri);
      if (variables) return this.readEntry(request, head, uri, variables);
    }
    throw new ResourceNotFoundError(uri);
  }

  private async page(
    { caller }: McpRequest,
    name: string,
    cursor: string | undefined,
    templates: boolean,
  ): Promise<{ page: readonly CatalogHead[]; nextCursor?: string }> {
    const { tenant } = caller.principal;
    const key = await this.keys.key();
    const list = `${tenant}\n${name}`;
    const found = await this.heads.resources(tenant, templates, afterOfCursor(key, list, cursor), PAGE + 1);
    const page = found.slice(0, PAGE);
    return { page, ...(found.length > PAGE ? { nextCursor: listCursor(key, list, page.at(-1)!.toolName) } : {}) };
  }

  private async readOwn({ caller }: McpRequest, uri: string, own: ServiceUri): Promise<{ mimeType: string; text: string }> {
    const { principal } = caller;
    try {
      if (own.kind === 'catalog') {
        requireScope(principal, 'catalog:read');
        const { entry } = await this.catalog.resolve(principal.tenant, { style: 'path', path: own.path, version: own.version });
        if (entry.kind.toLowerCase() !== own.type) throw new ResourceNotFoundError(uri);
        return { mimeType: 'application/yaml', text: (await this.catalog.stored(principal.tenant, entry.id)).source };
      }
      requireScope(principal, 'executions:read');
      switch (own.part) {
        case 'status':
          return { mimeType: 'application/json', text: JSON.stringify(await this.status.detail(principal, own.id, null)) };
        case 'result':
          return { mimeType: 'application/json', text: refuseLarge(await this.status.resultText(principal, own.id), own.id) };
        case 'logs': {
          return { mimeType: 'text/plain', text: await this.logOf(principal, own.id) };
        }
      }
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'not_found') throw new ResourceNotFoundError(uri);
      throw error;
    }
  }

  /** What the first events of an execution say. Page by page: of large ones only the lines are kept. */
  private async logOf(principal: McpRequest['caller']['principal'], id: string): Promise<string> {
    const lines: string[] = [];
    let characters = 0;
    for (let [after, left] = [0, LOGGED_EVENTS]; left > 0 && characters < LOGGED_CHARACTERS;) {
      const { events, next } = await this.status.events(principal, id, { after, limit: left, types: [] });
      const said = logLines(events);
      characters += said.reduce((sum, { length }) => sum + length, 0);
      lines.push(...said);
      if (next === null) break;
      [after, left] = [next, left - events.length];
    }
    return lines.join('\n');
  }

  private async readEntry(
    request: McpRequest,
    { path, entryId, card }: CatalogHead,
    uri: string,
    variables: JsonObject,
  ): Promise<ReadResourceResult | InputRequiredResult> {
    const answer = await this.calls.call(request, {
      path,
      readOnlyEntry: entryId,
      version: 'latest',
      parameters: variables,
      task: 'forbidden',
      purpose: `resources/read ${uri}`,
    });
    if (answer.kind === 'input') return answer.result;
    const { status, result, error } = answer.execution;
    if (status !== 'completed') {
      throw new ProtocolError(
        ProtocolErrorCode.InternalError,
        error ?? `The resource is not ready: execution ${answer.execution.id} is ${status}.`,
      );
    }
    return { contents: contentsOf(result, uri, card.mimeType) };
  }
}

function described({ toolName, card }: CatalogHead): { name: string; title?: string; description?: string; mimeType?: string } {
  return {
    name: toolName,
    ...(card.title === null ? {} : { title: card.title }),
    ...(card.description === null ? {} : { description: card.description }),
    ...(card.mimeType === null ? {} : { mimeType: card.mimeType }),
  };
}

/** What an entry made: contents as the protocol has them, a text or bytes with their type, or any JSON. */
function contentsOf(result: Json, uri: string, mimeType: string | null): ReadResourceResult['contents'] {
  const made = isObject(result) && isObject(result.$mcp ?? null) ? (result.$mcp as Json) : result;
  if (isObject(made) && Array.isArray(made.contents)) {
    const whole = made.contents.filter(isObject).map((content) => ({ uri, ...(mimeType === null ? {} : { mimeType }), ...content }));
    return whole as unknown as ReadResourceResult['contents'];
  }
  const type = isObject(made) && typeof made.mimeType === 'string' ? made.mimeType : mimeType;
  const typed = type === null ? {} : { mimeType: type };
  if (isObject(made) && typeof made.blob === 'string') return [{ uri, ...typed, blob: made.blob }];
  if (isObject(made) && typeof made.text === 'string') return [{ uri, ...typed, text: made.text }];
  if (typeof made === 'string') return [{ uri, ...typed, text: made }];
  return [{ uri, mimeType: type ?? 'application/json', text: JSON.stringify(made) }];
}

function refuseLarge(text: string | Buffer, id: string): string {
  if (text.length <= LARGEST_RESULT) return String(text);
  throw new EngineError(
    'too_large',
    'result_too_large',
    `The result of execution ${id} is too large for an MCP answer; read it at /executions/${id}/result.`,
  );
}
