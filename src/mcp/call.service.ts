import { Injectable, Logger } from '@nestjs/common';
import {
  type ClientCapabilities,
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
import { Settings } from '../config/settings.js';
import { type EntryContract } from '../engine/playbook/playbook.js';
import { type JsonObject } from '../engine/values.js';
import { ControlService } from '../execution/control.service.js';
import { ExecutionService } from '../execution/execution.service.js';
import { startOptionsOf } from '../execution/start-options.js';
import { type StartRun } from '../execution/start-run.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';
import { executionStatusOf } from '../status/dto/execution-view.js';
import { StatusService } from '../status/status.service.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { RunWaits } from '../storage/run-waits.js';
import { CallFollower, type CallStop } from './call-follower.js';
import { callFingerprint, callOptionsOf } from './call-options.js';
import { capabilitiesOf, knowsTasks, requireTasks } from './client-capabilities.js';
import { sortAnswers } from './input-answers.js';
import { callerOf, type McpRequest, requireScope } from './mcp-caller.js';
import { McpKeys } from './mcp-keys.js';
import { OpenInputs } from './open-inputs.service.js';
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
  /** Where it is known: id of the entry that the version means, for a run without rows where nothing would be lost with it. */
  readonly readOnlyEntry?: string;
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

/** A call whose execution exists. */
interface BegunCall extends Pick<CallState, 'execution' | 'after'> {
  readonly catalogId: string;
}

/** Runs entries for clients: through the one door, followed to their end, with what they ask on the way (SEP-2322). */
@Injectable()
export class CallService {
  private readonly log = new Logger(CallService.name);
  private codec: { readonly key: Buffer; readonly made: RequestStateCodec<CallState> } | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly executions: ExecutionService,
    private readonly control: ControlService,
    private readonly status: StatusService,
    private readonly programs: CompiledPlaybooks,
    private readonly follower: CallFollower,
    private readonly inputs: OpenInputs,
    private readonly keys: McpKeys,
    private readonly waits: RunWaits,
  ) {}

  /** @throws EngineError what a start throws; ProtocolError for states and capabilities */
  async call(request: McpRequest, entry: CalledEntry): Promise<CallAnswer> {
    const { principal } = request.caller;
    requireScope(principal, 'executions:start');
    if (entry.task === 'required') requireTasks(request);
    const rendered = await this.rendered(request, entry);
    if (rendered) return rendered;
    const begun = (await this.resumed(request, entry)) ?? (await this.start(request, entry));
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

  private async followed(request: McpRequest, entry: CalledEntry, begun: BegunCall): Promise<CallAnswer> {
    const mayBeTask = entry.task !== 'forbidden' && knowsTasks(request);
    const deadline = performance.now() + (mayBeTask ? MOMENT_MS : this.settings.mcp.callMs);
    const talk = talkOf(await this.programOf(request, begun.catalogId));
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

  /** Gives a step the answers that came with the request; null where that was all it asked for, or it asks no longer. */
  private async answered(
    request: McpRequest,
    entry: CalledEntry,
    { execution, input }: Extract<CallStop, { kind: 'input' }>,
    answers: Readonly<Record<string, unknown>>,
  ): Promise<CallAnswer | null> {
    const { principal } = request.caller;
    const asked = await this.inputs.of(principal, execution.id, input.step);
    if (!asked) return null;
    const { answered, open, assumed, missing, isStuck } = sortAnswers(
      asked.requests,
      { ...answers, ...asked.answers },
      capabilitiesOf(request),
    );
    const isAsked = Object.keys(open).length > 0;
    const given = isAsked ? answered : { ...assumed, ...answered };
    if (!isStuck && Object.keys(answered).length > 0 && (await this.inputs.give(principal, asked, given))) return null;
    if (request.era === 'legacy') return { kind: 'going_on', execution }; // others may answer it
    if (!isAsked || isStuck) throw await this.refuseUnable(request, execution.id, missing);
    const state: CallState = { purpose: entry.purpose, execution: execution.id, after: input.seq - 1 };
    const requestState = await (await this.states()).mint(state, request.context);
    return { kind: 'input', result: inputRequired({ inputRequests: open as unknown as InputRequests, requestState }) };
  }

  /** Nobody would ever answer: the execution is not left behind. */
  private async refuseUnable({ caller }: McpRequest, id: string, missing: readonly ClientCapabilities[]): Promise<Error> {
    await this.control.cancel(caller.principal, id, { reason: 'The MCP client cannot be asked for input.', cascade: true, force: false });
    return new MissingRequiredClientCapabilityError({ requiredCapabilities: Object.assign({}, ...missing) as ClientCapabilities });
  }

  private async resumed({ caller, context }: McpRequest, { purpose }: CalledEntry): Promise<BegunCall | null> {
    const state = context.mcpReq.requestState<CallState>();
    if (state === undefined) return null;
    if (state.purpose !== purpose) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'The requestState belongs to another call.', {
        reason: 'invalid_request_state',
      });
    }
    const { catalogId } = await this.status.record(caller.principal, state.execution);
    return { execution: state.execution, after: state.after, catalogId };
  }

  /** What nobody will ask for again needs no rows (D32): an entry that only renders. */
  private async rendered(request: McpRequest, entry: CalledEntry): Promise<CallAnswer | null> {
    const { readOnlyEntry } = entry;
    if (readOnlyEntry === undefined || !talkOf(await this.programOf(request, readOnlyEntry)).isPure) return null;
    const { execution, result } = await this.executions.start({ ...this.command(request, entry), durable: false });
    return { kind: 'ended', execution: { ...executionStatusOf(execution, { result, durable: false }), events: null, pagination: null } };
  }

  private async start(request: McpRequest, entry: CalledEntry): Promise<BegunCall> {
    const { execution } = await this.executions.start(this.command(request, entry));
    return { execution: execution.id, catalogId: execution.catalogId, after: 0 };
  }

  private command({ caller, context }: McpRequest, { path, version: entryVersion, parameters, purpose }: CalledEntry): StartRun {
    const options = callOptionsOf(context.mcpReq._meta);
    const { idempotency_key: key } = options;
    const version = options.version ?? entryVersion;
    return {
      principal: caller.principal,
      lookup: { style: 'path', path, version },
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
      idempotency: key ? { key, fingerprint: callFingerprint(purpose, parameters, { ...options, version }) } : null,
      waitMs: null,
    };
  }

  private async programOf({ caller }: McpRequest, catalogId: string): ReturnType<CompiledPlaybooks['compiled']> {
    const { tenant } = caller.principal;
    return this.programs.compiledSync(tenant, catalogId) ?? this.programs.compiled(tenant, catalogId);
  }

  /** The client closed the answer before it had one: in this protocol, that is how a call is cancelled. */
  private abandon({ caller }: McpRequest, id: string): void {
    if (this.waits.draining) return; // it is this node that goes, and the execution goes on elsewhere
    const wish = { reason: 'The MCP client closed the call.', cascade: true, force: false };
    this.control.cancel(caller.principal, id, wish).catch((error: unknown) => {
      this.log.debug(`execution ${id} was not cancelled when its call was closed: ${String(error)}`);
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
