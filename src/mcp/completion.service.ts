import { Injectable } from '@nestjs/common';
import { type CompleteRequest, type CompleteResult } from '@modelcontextprotocol/server';
import { CatalogService } from '../catalog/catalog.service.js';
import { EngineError } from '../engine/engine-error.js';
import { StatusService } from '../status/status.service.js';
import { CatalogHeadRepository } from '../storage/repositories/catalog-head.repository.js';
import { EVERY_EXECUTION } from '../storage/repositories/execution.repository.js';
import { RUN_PLAYBOOK_PROMPT } from '../storage/tool-names.js';
import { type McpRequest } from './mcp-caller.js';
import { KIND_OF_TYPE } from './tool-definition.js';

/** As many as the protocol allows. */
const MOST = 100;
const TYPES = Object.keys(KIND_OF_TYPE);

/** How a value that a client has begun may go on: paths, versions, ids, and what authors list for arguments of their prompts. */
@Injectable()
export class CompletionService {
  constructor(
    private readonly heads: CatalogHeadRepository,
    private readonly catalog: CatalogService,
    private readonly status: StatusService,
  ) {}

  async complete(request: McpRequest, { ref, argument, context }: CompleteRequest['params']): Promise<CompleteResult> {
    const { name, value } = argument;
    const isOwn = ref.type === 'ref/prompt' ? ref.name === RUN_PLAYBOOK_PROMPT : /^(?:execution|catalog):\/\//.test(ref.uri);
    const found = isOwn
      ? await this.valuesOf(request, name, value, context?.arguments ?? {})
      : ref.type === 'ref/prompt'
        ? await this.promptValues(request, ref.name, name, value)
        : [];
    return { completion: { values: found.slice(0, MOST), hasMore: found.length > MOST } };
  }

  private async valuesOf(
    { caller }: McpRequest,
    name: string,
    begun: string,
    others: Readonly<Record<string, string>>,
  ): Promise<readonly string[]> {
    const { principal } = caller;
    const goesOn = (value: string): boolean => value.startsWith(begun);
    switch (name) {
      case 'path':
        if (!principal.scopes.has('catalog:read')) return [];
        return this.heads.pathsFrom(principal.tenant, kindsOf(others.type), begun, MOST + 1);
      case 'version':
        if (others.path === undefined || !principal.scopes.has('catalog:read')) return ['latest'].filter(goesOn);
        return ['latest', ...(await this.versionsOf(principal.tenant, others.path))].filter(goesOn);
      case 'type':
        return TYPES.filter(goesOn);
      case 'id': {
        if (!principal.scopes.has('executions:read')) return [];
        const newest = await this.status.list(principal, EVERY_EXECUTION, { before: null, offset: 0, limit: MOST });
        return newest.items.map(({ id }) => id).filter(goesOn);
      }
      default:
        return [];
    }
  }

  /** Of arguments whose values the author lists. */
  private async promptValues({ caller }: McpRequest, prompt: string, name: string, begun: string): Promise<readonly string[]> {
    const head = await this.heads.byToolName(caller.principal.tenant, prompt);
    const argument = head?.kind === 'Prompt' ? head.card.arguments.find((each) => each.name === name) : undefined;
    return (argument?.values ?? []).filter((value) => value.startsWith(begun));
  }

  private async versionsOf(tenant: string, path: string): Promise<string[]> {
    try {
      return (await this.catalog.versions(tenant, path)).versions.map(({ version }) => version);
    } catch (error) {
      if (error instanceof EngineError) return []; // a path that is none has no versions
      throw error;
    }
  }
}

/** Of the type that the client has chosen already, where it has: an entry of another is no resource of that URI. */
function kindsOf(type: string | undefined): readonly string[] {
  if (type === undefined) return Object.values(KIND_OF_TYPE);
  return Object.hasOwn(KIND_OF_TYPE, type) ? [KIND_OF_TYPE[type]!] : [];
}
