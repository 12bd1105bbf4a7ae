import { Injectable } from '@nestjs/common';
import {
  type GetPromptResult,
  type InputRequiredResult,
  type ListPromptsResult,
  type Prompt,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import { CatalogService } from '../catalog/catalog.service.js';
import { isObject, type JsonObject } from '../engine/values.js';
import { type CatalogHead, CatalogHeadRepository } from '../storage/repositories/catalog-head.repository.js';
import { RUN_PLAYBOOK_PROMPT } from '../storage/tool-names.js';
import { CallService } from './call.service.js';
import { afterOfCursor, listCursor } from './list-cursor.js';
import { type McpRequest } from './mcp-caller.js';
import { McpKeys } from './mcp-keys.js';

const PAGE = 100;

const RUN_PLAYBOOK: Prompt = {
  name: RUN_PLAYBOOK_PROMPT,
  title: 'Run a catalog entry',
  description: 'Asks for everything that an entry of the catalog takes, then runs it.',
  arguments: [
    { name: 'path', description: 'Path in the catalog.', required: true },
    { name: 'version', description: 'Semantic version, range or tag; left out: the latest.', required: false },
  ],
};

/** Entries of kind Prompt, and one prompt that runs any entry. */
@Injectable()
export class PromptService {
  constructor(
    private readonly heads: CatalogHeadRepository,
    private readonly catalog: CatalogService,
    private readonly calls: CallService,
    private readonly keys: McpKeys,
  ) {}

  /** A page in the order of names. */
  async list({ caller }: McpRequest, cursor: string | undefined): Promise<ListPromptsResult> {
    const { tenant } = caller.principal;
    const key = await this.keys.key();
    const list = `${tenant}\nprompts`;
    const found = await this.heads.page(tenant, { kinds: ['Prompt'], exposedOn: null }, afterOfCursor(key, list, cursor), PAGE + 1);
    const page = found.slice(0, PAGE);
    return {
      prompts: [...(cursor === undefined ? [RUN_PLAYBOOK] : []), ...page.map(promptOf)],
      ...(found.length > PAGE ? { nextCursor: listCursor(key, list, page.at(-1)!.toolName) } : {}),
    };
  }

  /** @throws ProtocolError for a name that is none, or without an argument that is required */
  async get(request: McpRequest, name: string, given: JsonObject): Promise<GetPromptResult | InputRequiredResult> {
    if (name === RUN_PLAYBOOK_PROMPT) return this.runPlaybook(request, given);
    const head = await this.named(request, name);
    if (!head)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown prompt: ${name.slice(0, 128)}`, { code: 'unknown_playbook' });
    const missing = head.card.arguments.find((argument) => argument.required && given[argument.name] === undefined);
    if (missing) throw missingArgument(missing.name);
    const answer = await this.calls.call(request, {
      path: head.path,
      readOnlyEntry: head.entryId,
      version: 'latest',
      parameters: given,
      task: 'forbidden',
      purpose: `prompts/get ${name}`,
    });
    if (answer.kind === 'input') return answer.result;
    const { id, status, result, error } = answer.execution;
    const made = isObject(result) && isObject(result.$mcp ?? null) ? result.$mcp : result;
    if (status !== 'completed' || !isObject(made ?? null) || !Array.isArray((made as JsonObject).messages)) {
      throw new ProtocolError(ProtocolErrorCode.InternalError, error ?? `The prompt made no messages; see execution ${id}.`);
    }
    const { messages } = made as JsonObject;
    const { description } = head.card;
    return { ...(description === null ? {} : { description }), messages: messages as unknown as GetPromptResult['messages'] };
  }

  /** The prompt of a name; null where it is none, or another kind of entry. */
  async named({ caller }: McpRequest, name: string): Promise<CatalogHead | null> {
    const head = await this.heads.byToolName(caller.principal.tenant, name);
    return head?.kind === 'Prompt' ? head : null;
  }

  private async runPlaybook({ caller }: McpRequest, { path, version }: JsonObject): Promise<GetPromptResult> {
    const { tenant } = caller.principal;
    if (typeof path !== 'string') throw missingArgument('path');
    const asked = typeof version === 'string' && version !== '' ? version : null;
    const { entry } = await this.catalog.resolve(tenant, { style: 'path', path, version: asked });
    const card = await this.heads.cardOf(tenant, entry.id);
    const text = [
      `Run the ${entry.kind.toLowerCase()} ${entry.path} in version ${entry.version} with the tool "execute".`,
      card.description ?? '',
      `Its arguments have to fit this JSON Schema: ${JSON.stringify(card.inputSchema)}`,
      'Ask me for every argument that you do not know. Tell me the result, or the id of the execution if it goes on for longer.',
    ];
    return {
      description: RUN_PLAYBOOK.description!,
      messages: [{ role: 'user', content: { type: 'text', text: text.filter(Boolean).join('\n\n') } }],
    };
  }
}

function promptOf({ toolName, card }: CatalogHead): Prompt {
  return {
    name: toolName,
    ...(card.title === null ? {} : { title: card.title }),
    description: card.description ?? card.title ?? card.name,
    arguments: card.arguments.map(({ name, description, required }) => ({
      name,
      ...(description === null ? {} : { description }),
      required,
    })),
  };
}

function missingArgument(name: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, `The argument ${name} is missing.`, { code: 'missing_field' });
}
