import { createHash } from 'node:crypto';
import { type CallToolResult, type InputRequiredResult, isInputRequiredResult, type Progress } from '@modelcontextprotocol/client';
import { type AuthEntry } from '../engine/auth/auth-spec.js';
import { cutText } from '../engine/auth/cut-text.js';
import { cutWithout, Redactor } from '../engine/auth/redactor.js';
import { type McpToolAnswer, type McpToolCall, type McpTools } from '../engine/mcp-port.js';
import { type JsonSchema } from '../engine/playbook/json-schema.js';
import { type Secrets, SecretsError } from '../engine/secrets-port.js';
import { type ResolvedCredential, StepFailure } from '../engine/step-executor.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { withAuth } from '../outbound/auth-headers.js';
import { type McpConnection } from './connection.js';
import { ConnectionPool, type PoolOptions, type WantedConnection } from './connection-pool.js';
import { type ListedTools } from './list-tools.js';
import { MCP_LIMITS } from './limits.js';
import { failureOf } from './mcp-failure.js';
import { type HttpMcpServer, type KnownDefinition, type McpDirectory, type McpServer } from './mcp-server.js';
import { lastRound, questionsOf } from './questions.js';
import { redactorOf } from './stdio-secrets.js';
import { compileToolSchema, type ToolDefinition } from './tool-definition.js';
import { valueOf } from './tool-result.js';

/** Compiled input schemas that are kept. */
const SCHEMAS = 500;

/** From here on a value needs room on this node. */
const LARGE = 256 * 1024;

/** Hears what a server offers whenever it was asked. */
export type HearTools = (tenantId: string, server: McpServer, listed: ListedTools) => void;

/**
 * Calls tools of MCP servers for steps: against definitions that were approved only, with arguments that fit, over connections that are shared. What a
 * server says comes back without the secrets it was called with.
 */
export class McpClient implements McpTools {
  private readonly pool: ConnectionPool;
  private readonly schemas = new Map<string, JsonSchema>();
  private readonly listeners = new Set<HearTools>();
  private readonly told = new WeakSet<ListedTools>();

  constructor(
    private readonly directory: McpDirectory,
    private readonly secrets: Pick<Secrets, 'open'>,
    options: PoolOptions,
  ) {
    this.pool = new ConnectionPool(options);
  }

  /** Calls `heard` after every look at the tools of a server. @returns stops that */
  onTools(heard: HearTools): () => void {
    this.listeners.add(heard);
    return () => void this.listeners.delete(heard);
  }

  /** What a server offers now. Throws StepFailure. */
  async list(tenantId: string, server: McpServer, signal: AbortSignal): Promise<ListedTools> {
    return this.authorised(tenantId, server, new Map(), signal, async (wanted) => {
      const connection = await this.pool.connectionFor(wanted, signal);
      const listed = await this.offered(connection, wanted, signal, true);
      this.pool.worked(wanted);
      return listed;
    });
  }

  async call(call: McpToolCall): Promise<McpToolAnswer> {
    const { context, tool } = call;
    const { tenantId, signal } = context;
    const server = await this.directory.server(tenantId, call.server);
    if (!server) throw refused('unknown_mcp_server', `There is no MCP server ${call.server}.`);
    const known = await this.directory.definitions(tenantId, server.name, tool);
    const { definition, digest } = pinned(known, call);
    this.checkArguments(call.arguments, definition, digest);
    return this.authorised(tenantId, server, call.auth, signal, async (wanted, redactor) => {
      const connection = await this.pool.connectionFor(wanted, signal);
      checkOffer(await this.offered(connection, wanted, signal), known, call);
      context.assertHeld();
      const progress: string[] = [];
      let left: number = MCP_LIMITS.progressLines;
      const hear = (heard: Progress): void => {
        const { progress: done, total = null, message = null } = heard;
        context.report({ progress: done, total, message: () => (message === null ? null : redactor.text(message)) });
        left -= 1;
        if (left >= 0) progress.push(cutWithout(lineOf(heard), [...redactor.forms, ...context.secretForms()]));
      };
      const result = await this.perform(connection, wanted, definition, call, hear);
      this.pool.worked(wanted);
      if (isInputRequiredResult(result)) return { value: null, progress, asks: questionsOf(result, redactor, call, definition.name) };
      const value = redactor.value(valueOf(result, definition, server.name));
      const size = JSON.stringify(value).length;
      if (size > LARGE) await context.admit(size);
      return { value, progress, asks: null };
    });
  }

  /** Calls under way on this node. */
  get calls(): number {
    return this.pool.calls;
  }

  /** Of the processes that run. */
  get pids(): readonly number[] {
    return this.pool.pids;
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async perform(
    connection: McpConnection,
    { server }: WantedConnection,
    definition: ToolDefinition,
    { arguments: args, context: { signal, mayAsk, answered } }: McpToolCall,
    hear: (progress: Progress) => void,
  ): Promise<CallToolResult | InputRequiredResult> {
    try {
      return await lastRound((again) => connection.call(definition, args, signal, hear, { mayAsk, again }), answered);
    } catch (error) {
      if (signal.aborted) {
        connection.doubt();
        throw signal.reason;
      }
      throw failureOf(connection.brokenBy ?? error, server.name);
    }
  }

  /** The tools a server has now; whoever wants to hear of them hears of every list once. */
  private async offered(
    connection: McpConnection,
    { tenantId, server }: WantedConnection,
    signal: AbortSignal,
    fresh = false,
  ): Promise<ListedTools> {
    try {
      const listed = await connection.tools(signal, fresh);
      if (!this.told.has(listed)) {
        this.told.add(listed);
        for (const heard of this.listeners) heard(tenantId, server, listed);
      }
      return listed;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw failureOf(connection.brokenBy ?? error, server.name);
    }
  }

  private checkArguments(args: JsonObject, { name, inputSchema }: ToolDefinition, digest: string): void {
    const schema = this.schemas.get(digest) ?? compileToolSchema(inputSchema);
    this.schemas.delete(digest);
    this.schemas.set(digest, schema);
    const [oldest] = this.schemas.keys();
    if (this.schemas.size > SCHEMAS && oldest !== undefined) this.schemas.delete(oldest);
    const errors = schema.issuesOf(args).map(({ pointer = '', message }) => ({ pointer: `/arguments${pointer}`, message }));
    if (errors.length === 0) return;
    const [first] = errors;
    throw new StepFailure('invalid_arguments', `The arguments do not fit the tool ${name}: ${first!.pointer} ${first!.message}.`, {
      retryable: false,
      cause: { errors },
    });
  }

  /**
   * Does something with a server, logged in as it wants. An access token that the server does not accept (401: nothing was done) is exchanged for another
   * one, once: it may have been withdrawn before its time.
   */
  private async authorised<T>(
    tenantId: string,
    server: McpServer,
    auth: ReadonlyMap<string, ResolvedCredential>,
    signal: AbortSignal,
    work: (wanted: WantedConnection, redactor: Redactor) => Promise<T>,
  ): Promise<T> {
    const first = await this.wantedFor(tenantId, server, auth, signal);
    try {
      return await this.redacting(first.redactor, () => work(first.wanted, first.redactor));
    } catch (error) {
      if (first.token === null || !(error instanceof StepFailure) || error.statusCode !== 401) throw error;
      const { wanted, redactor } = await this.wantedFor(tenantId, server, auth, signal, first.token);
      return this.redacting(redactor, () => work(wanted, redactor));
    }
  }

  /** How a server is reached: with the step's credentials, else with its own. */
  private async wantedFor(
    tenantId: string,
    server: McpServer,
    auth: ReadonlyMap<string, ResolvedCredential>,
    signal: AbortSignal,
    refused?: string,
  ): Promise<{ wanted: WantedConnection; redactor: Redactor; token: string | null }> {
    if (server.kind === 'stdio')
      return { wanted: { tenantId, server, credential: '', headers: {} }, redactor: redactorOf(server), token: null };
    const redactor = new Redactor();
    const isOwn = auth.size === 0 && server.auth !== null;
    const used = isOwn ? await this.ownCredential(tenantId, server, redactor, signal, refused) : auth;
    // A connection keeps what it was opened with: another access token of the same credential is another connection.
    const credential = [...used.values()].map(({ alias, version, fields }) => `${alias} ${version} ${digestOfToken(fields)}`).join('\n');
    const token = isOwn ? used.get('auth')?.fields['access_token'] : undefined;
    return {
      wanted: { tenantId, server, credential, headers: withAuth({}, used) },
      redactor,
      token: typeof token === 'string' ? token : null,
    };
  }

  private async ownCredential(
    tenantId: string,
    server: HttpMcpServer,
    redactor: Redactor,
    signal: AbortSignal,
    refused: string | undefined,
  ): Promise<ReadonlyMap<string, ResolvedCredential>> {
    const name = server.auth ?? '';
    const entry: AuthEntry = { alias: 'auth', source: 'credential', name, type: null, fields: {} };
    try {
      const { type, version, fields, secrets } = await this.secrets.open(tenantId, entry, signal, {
        resource: resourceOf(server.url),
        ...(refused === undefined ? {} : { refused }),
      });
      for (const secret of secrets) redactor.taint(secret);
      return new Map([['auth', { alias: 'auth', name, type, version, fields: fields as Record<string, Json> }]]);
    } catch (error) {
      if (error instanceof SecretsError) throw new StepFailure(error.code, error.message, { retryable: error.retryable });
      throw error;
    }
  }

  /** A server may say what it was told: failures come back without it. */
  private async redacting<T>(redactor: Redactor, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StepFailure) || redactor.isIdle) throw error;
      throw new StepFailure(error.code, redactor.message(error.message), {
        retryable: error.retryable,
        cause: redactor.messages(error.details),
        ...(error.value === undefined ? {} : { value: redactor.value(error.value) }),
        ...(error.statusCode === undefined ? {} : { statusCode: error.statusCode }),
      });
    }
  }
}

/** What tokens for a server are for (RFC 8707): its address without a fragment. */
function resourceOf(url: string): string {
  const { href, hash } = new URL(url);
  return hash === '' ? href : href.slice(0, -hash.length);
}

function digestOfToken({ access_token: token }: Readonly<Record<string, Json>>): string {
  return typeof token === 'string' ? createHash('sha256').update(token).digest('base64url') : '';
}

/** The definition a call is made for. */
function pinned(known: readonly KnownDefinition[], { server, tool, definition: digest }: McpToolCall): KnownDefinition {
  const meant = digest === null ? known.find(({ approved }) => approved) : known.find((one) => one.digest === digest);
  if (!meant) {
    const why =
      known.length === 0 ? `no tool ${tool} was imported from ${server}` : `no such definition of ${tool} of ${server} was imported`;
    throw refused('unknown_tool', `The call cannot be made: ${why}.`);
  }
  if (!meant.approved) throw refused('tool_definition_changed', `This definition of the tool ${tool} of ${server} waits for a review.`);
  return meant;
}

/** What the server offers at this moment must be something that was approved: it may have changed since (rug pull). */
function checkOffer({ tools }: ListedTools, known: readonly KnownDefinition[], { server, tool }: McpToolCall): void {
  const offered = tools.get(tool);
  if (!offered) throw refused('unknown_tool', `The MCP server ${server} has no tool ${tool} any more.`);
  if (known.some(({ digest, approved }) => approved && digest === offered.digest)) return;
  throw refused('tool_definition_changed', `The MCP server ${server} has changed its tool ${tool}; the new definition waits for a review.`);
}

function lineOf({ progress, total, message }: Progress): string {
  const line = `progress ${progress}${total === undefined ? '' : ` of ${total}`}${message === undefined ? '' : `: ${message}`}`;
  return cutText(line, MCP_LIMITS.progressCharacters);
}

function refused(code: 'unknown_mcp_server' | 'unknown_tool' | 'tool_definition_changed', message: string): StepFailure {
  return new StepFailure(code, message, { retryable: false });
}
