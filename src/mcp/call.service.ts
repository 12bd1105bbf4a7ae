import { Injectable } from '@nestjs/common';
import {
  createRequestStateCodec,
  type InputRequests,
  inputRequired,
  type InputRequiredResult,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { fingerprintOf } from '../common/idempotency.js';
import { Settings } from '../config/settings.js';
import { EngineError } from '../engine/engine-error.js';
import { type EntryContract } from '../engine/playbook/playbook.js';
import { type JsonObject } from '../engine/values.js';
import { ControlService } from '../execution/control.service.js';
import { ExecutionService } from '../execution/execution.service.js';
import { startOptionsOf } from '../execution/start-options.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';
import { StatusService } from '../status/status.service.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { CallFollower, type CallStop } from './call-follower.js';
import { callOptionsOf } from './call-options.js';
import { capabilitiesOf, knowsTasks, requireTasks } from './client-capabilities.js';
import { sortAnswers } from './input-answers.js';
import { callerOf, type McpRequest, requireScope } from './mcp-caller.js';
import { McpKeys } from './mcp-keys.js';
import { talkOf } from './talkative-programs.js';

/** What a client may take a task for instead of waiting: everything that is not over in a moment. */
const MOMENT_MS = 500;
/** How long people may take to answer. */
const STATE_TTL_SECONDS = 86_400;

/** What is run, for whom it is known by which name. */
export interface CalledEntry {
  readonly path: string;
  readonly version: string;
  readonly parameters: JsonObject;
  readonly task: EntryContract['task'];
  /** What the state of a call belongs to, besides its caller: another tool's is refused. */
  readonly purpose: string;
}

/** How a call is answered. */
export type CallAnswer =
  | { readonly kind: 'ended' | 'going_on' | 'task'; readonly execution: ExecutionDetail }
  | { readonly kind: 'input'; readonly result: InputRequiredResult };

/** What travels through a client between two rounds of a call; sealed, and good for its tenant only. */
interface CallState {
  readonly purpose: string;
  readonly execution: string;
  /** Position in the history up to which everything has been dealt with. */
  readonly after: number;
}

/** Runs entries for clients: through the one door, followed to their end, with what they ask on the way (SEP-2322). */
@Injectable()
export class CallService {
  private codec: { readonly key: Buffer; readonly made: RequestStateCodec<CallState> } | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly executions: ExecutionService,
    private readonly control: ControlService,
    private readonly status: StatusService,
    private readonly programs: CompiledPlaybooks,
    private readonly follower: CallFollower,
    private readonly keys: McpKeys,
  ) {}

  /** @throws EngineError what a start throws; ProtocolError for states and capabilities */
  async call(request: McpRequest, entry: CalledEntry): Promise<CallAnswer> {
    const { principal } = request.caller;
    requireScope(principal, 'executions:start');
    if (entry.task === 'required') requireTasks(request);
    const begun = this.resumed(request, entry) ?? { ...(await this.start(request, entry)), after: 0 };
    const leave = (): void => this.abandon(request, begun.execution);
    const { signal } = request.context.mcpReq;
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await this.followed(request, entry, begun);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Checks a state that came back from a client; what it holds is then the client's again to send. */
  async verifyState(state: string, context: ServerContext): Promise<unknown> {
    return (await this.states()).verify(state, context);
  }

  private async followed(request: McpRequest, entry: CalledEntry, begun: Pick<CallState, 'execution' | 'after'>): Promise<CallAnswer> {
    const mayBeTask = entry.task !== 'forbidden' && knowsTasks(request);
    const deadline = performance.now() + (mayBeTask ? MOMENT_MS : this.settings.mcp.callMs);
    const talk = talkOf(await this.programOf(request, begun.execution));
    const answers = request.context.mcpReq.inputResponses ?? {};
    let { after } = begun;
    for (;;) {
      const left = Math.max(0, deadline - performance.now());
      const stop = await this.follower.until(request, begun.execution, talk, after, left);
      if (stop.kind === 'ended') return stop;
      if (stop.kind === 'going_on') return mayBeTask ? { kind: 'task', execution: stop.execution } : stop;
      const asked = await this.answered(request, entry, stop, answers);
      if (asked) return asked;
      after = stop.input.seq;
    }
  }

  /** Gives a step the answers that came with the request; null where that was all it asked for. */
  private async answered(
    request: McpRequest,
    entry: CalledEntry,
    { execution, input }: Extract<CallStop, { kind: 'input' }>,
    answers: Readonly<Record<string, unknown>>,
  ): Promise<CallAnswer | null> {
    const { principal } = request.caller;
    const { answered, open, missing } = sortAnswers(input.requests, answers, capabilitiesOf(request));
    const isAnswered = Object.keys(answered).length > 0;
    if (isAnswered && Object.keys(open).length === 0) {
      await this.control.signal(principal, execution.id, input.name, answered);
      return null;
    }
    if (request.era === 'legacy') return { kind: 'going_on', execution }; // others may answer it
    if (Object.keys(open).length === 0) {
      await this.control.cancel(principal, execution.id, { reason: 'The MCP client cannot be asked for input.', cascade: true, force: false });
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: Object.assign({}, ...missing) as object });
    }
    const state: CallState = { purpose: entry.purpose, execution: execution.id, after: input.seq - 1 };
    const requestState = await (await this.states()).mint(state, request.context);
    return { kind: 'input', result: inputRequired({ inputRequests: open as unknown as InputRequests, requestState }) };
  }

  private resumed({ context }: McpRequest, { purpose }: CalledEntry): CallState | null {
    const state = context.mcpReq.requestState<CallState>();
    if (state === undefined) return null;
    if (state.purpose === purpose) return state;
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'The requestState belongs to another call.', { reason: 'invalid_request_state' });
  }

  private async start({ caller, context }: McpRequest, { path, version, parameters, purpose }: CalledEntry): Promise<{ execution: string }> {
    const options = callOptionsOf(context.mcpReq._meta);
    const { execution } = await this.executions.start({
      principal: caller.principal,
      lookup: { style: 'path', path, version: options.version ?? version },
      executionType: null,
      parameters,
      parametersAt: '/arguments',
      tool: null,
      merge: options.merge,
      durable: true,
      parent: { executionId: null, eventId: null, step: null },
      metadata: options.metadata ?? {},
      forkedFrom: null,
      kept: [],
      options: startOptionsOf(options),
      idempotency: options.idempotency_key ? { key: options.idempotency_key, fingerprint: fingerprintOf(`mcp ${purpose}`, parameters) } : null,
      waitMs: null,
    });
    return { execution: execution.id };
  }

  private async programOf({ caller }: McpRequest, id: string): ReturnType<CompiledPlaybooks['compiled']> {
    const { tenantId, catalogId } = await this.status.record(caller.principal, id);
    return this.programs.compiledSync(tenantId, catalogId) ?? this.programs.compiled(tenantId, catalogId);
  }

  /** The client closed the answer before it had one: in this protocol, that is how a call is cancelled. */
  private abandon({ caller }: McpRequest, id: string): void {
    const wish = { reason: 'The MCP client closed the call.', cascade: true, force: false };
    this.control.cancel(caller.principal, id, wish).catch((error: unknown) => {
      if (!(error instanceof EngineError)) throw error;
    });
  }

  private async states(): Promise<RequestStateCodec<CallState>> {
    const key = await this.keys.key();
    if (this.codec?.key !== key) {
      const bind = ({ http }: ServerContext): string => {
        const { tenant, subject } = callerOf(http?.authInfo).principal;
        return `${tenant}\n${subject}`;
      };
      this.codec = { key, made: createRequestStateCodec<CallState>({ key, ttlSeconds: STATE_TTL_SECONDS, bind }) };
    }
    return this.codec.made;
  }
}
