import { Injectable } from '@nestjs/common';
import { EntryStatusService } from '../catalog/entry-status.service.js';
import { RegistrationService } from '../catalog/registration.service.js';
import { type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type ListedTools, type ListedTool } from '../mcp-client/list-tools.js';
import { MCP_LIMITS } from '../mcp-client/limits.js';
import { schemaFaultOf } from '../mcp-client/tool-definition.js';
import { IdMint } from '../storage/ids.js';
import { type McpToolRecord, McpToolRepository, type WaitingRoom } from '../storage/repositories/mcp-tool.repository.js';
import { pathOf, toolDocument } from './tool-document.js';

export const IMPORT_OUTCOMES = ['imported', 'unchanged', 'held', 'refused', 'missing'] as const;

/** What an import did about one tool. */
export interface ImportedTool {
  readonly name: string;
  /**
   * imported: a new entry that can be called. unchanged: the definition was approved before. held: the definition waits for a review.
   * refused: it cannot be an entry. missing: the server had it once.
   */
  readonly outcome: (typeof IMPORT_OUTCOMES)[number];
  readonly record: McpToolRecord | null;
  /** Why it was refused, or has no entry yet. */
  readonly reason: string | null;
}

/**
 * Definitions that become held entries before anybody has decided about one: entries stay for good, so a server that changes its tools with every list would
 * fill the catalog. As many of a server as it may have tools, so that all of them may change at once.
 */
export const WAITING_ROOM: WaitingRoom = { ofTool: 5, ofServer: MCP_LIMITS.tools };
const CROWDED =
  'So many definitions wait for a review that no entry was made of this one. It can be approved by its digest, until the server gives the next one.';
const HELD_FOR = 'The server changed the definition of the tool; it waits for a review.';

/** Makes catalog entries of the tools of servers. The first definition of a tool is taken over with its import, every later one waits for a review. */
@Injectable()
export class ToolImports {
  constructor(
    private readonly tools: McpToolRepository,
    private readonly registration: RegistrationService,
    private readonly entries: EntryStatusService,
    private readonly ids: IdMint,
  ) {}

  /** Takes over everything a server offers. */
  async all(principal: Principal, server: string, listed: ListedTools): Promise<ImportedTool[]> {
    const known = await this.tools.known(principal.tenant, server);
    const done: ImportedTool[] = listed.refused.map(({ name, reason }) => ({ name, outcome: 'refused', record: null, reason }));
    for (const tool of listed.tools.values()) done.push(await this.one(principal, server, tool, known));
    const gone = new Set(known.map(({ tool }) => tool).filter((tool) => !listed.tools.has(tool)));
    return [...done, ...[...gone].map((name) => ({ name, outcome: 'missing', record: null, reason: null }) as const)];
  }

  /** Notes what has changed since the last import, and nothing else: new tools are no business of whoever only calls one. */
  async changes(principal: Principal, server: string, { tools }: ListedTools): Promise<readonly ImportedTool[]> {
    const known = await this.tools.known(principal.tenant, server);
    const names = new Set(known.map(({ tool }) => tool));
    const digests = new Set(known.map(({ tool, digest }) => `${tool}\n${digest}`));
    const changed = [...tools.values()].filter(({ definition: { name }, digest }) => names.has(name) && !digests.has(`${name}\n${digest}`));
    const done: ImportedTool[] = [];
    for (const tool of changed) done.push(await this.one(principal, server, tool, known));
    return done;
  }

  /** The very definition of that digest, or none. @throws EngineError `unknown_tool` where there is none (any more) */
  async approve(principal: Principal, server: string, tool: string, digest: string): Promise<McpToolRecord> {
    const record = await this.tools.approve(principal.tenant, server, tool, digest, principal.subject);
    if (!record) {
      throw new EngineError(
        'not_found',
        'unknown_tool',
        `There is no definition with this digest of the tool ${tool} of ${server}, or it was followed by another.`,
      );
    }
    // In this order: where the second is missing, approving again does it.
    const done = record.catalogId === null ? await this.register(principal, record) : record;
    if (done.catalogId !== null) await this.entries.approve(principal, done.catalogId);
    return done;
  }

  private async one(
    principal: Principal,
    server: string,
    { definition, digest }: ListedTool,
    known: Awaited<ReturnType<McpToolRepository['known']>>,
  ): Promise<ImportedTool> {
    const { name } = definition;
    const refused = (reason: string): ImportedTool => ({ name, outcome: 'refused', record: null, reason });
    const before = known.find((one) => one.tool === name && one.digest === digest);
    const fault = before ? null : schemaFaultOf(definition);
    if (fault !== null) return refused(fault);
    const { tenant: tenantId, subject } = principal;
    const path = pathOf(server, name);
    const seen = { id: this.ids.next(), tenantId, server, tool: name, digest, definition, path, subject };
    const { record: noted, hasRoom } = await this.tools.note(seen, WAITING_ROOM);
    const outcome = noted.status === 'held' ? 'held' : before?.hasEntry ? 'unchanged' : 'imported';
    if (noted.catalogId !== null) return { name, outcome, record: noted, reason: null };
    if (!hasRoom) {
      // What is approved later must be able to become an entry then.
      const { refusal } = await this.registration.validate(toolDocument(server, definition, digest), false);
      if (refusal === null) return { name, outcome, record: noted, reason: CROWDED };
      await this.tools.forget(noted);
      return refused(refusal.issues[0]?.message ?? refusal.message);
    }
    try {
      return { name, outcome, record: await this.register(principal, noted), reason: null };
    } catch (error) {
      if (!(error instanceof EngineError) || error.retryable) throw error;
      await this.tools.forget(noted);
      return refused(error.issues[0]?.message ?? error.message);
    }
  }

  private async register(principal: Principal, record: McpToolRecord): Promise<McpToolRecord> {
    const { server, digest, definition, status, path } = record;
    const content = toolDocument(server, definition as ListedTool['definition'], digest);
    const { entry } = await this.registration.register(principal, {
      content,
      version: null,
      tags: [],
      strict: false,
      path,
      ...(status === 'held' ? { heldFor: HELD_FOR } : {}),
    });
    await this.tools.madeEntry(record, entry.id, entry.version);
    return { ...record, catalogId: entry.id, version: entry.version };
  }
}
