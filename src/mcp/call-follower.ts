import { Injectable } from '@nestjs/common';
import { type LoggingLevel } from '@modelcontextprotocol/server';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';
import { type ExecutionEvent } from '../status/dto/execution-event.js';
import { StatusService } from '../status/status.service.js';
import { type McpRequest } from './mcp-caller.js';
import { type Talk } from './talkative-programs.js';

/** A step that waits for input. */
export interface WaitingStep {
  /** Position of its event in the history. */
  readonly seq: number;
  readonly step: string;
}

/** Why a call is not waited for any longer. */
export type CallStop =
  | { readonly kind: 'ended'; readonly execution: ExecutionDetail }
  | { readonly kind: 'input'; readonly execution: ExecutionDetail; readonly input: WaitingStep }
  /** The time is over, the node drains, or the client is gone. */
  | { readonly kind: 'going_on'; readonly execution: ExecutionDetail };

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);
const isOver = ({ status }: ExecutionDetail): boolean => ENDS.has(status);

/** Stays with an execution on behalf of a client: passes on what it says, until it ends, asks for something, or time is over. */
@Injectable()
export class CallFollower {
  constructor(private readonly status: StatusService) {}

  /**
   * @param after position in the history up to which everything has been dealt with
   * @param waitMs how long at most
   */
  async until(request: McpRequest, id: string, talk: Talk, after: number, waitMs: number): Promise<CallStop> {
    const { principal } = request.caller;
    const tells = request.context.mcpReq._meta?.progressToken !== undefined;
    if (talk.input || talk.log || tells) return this.listen(request, id, talk, after, waitMs);
    const now = await this.status.detail(principal, id, null);
    if (isOver(now)) return { kind: 'ended', execution: now };
    await this.status.waitForEnd(principal, id, waitMs);
    return this.stop(request, id);
  }

  private async listen(request: McpRequest, id: string, talk: Talk, after: number, waitMs: number): Promise<CallStop> {
    const { signal } = request.context.mcpReq;
    const over = new AbortController();
    const giveUp = (): void => over.abort();
    const timer = setTimeout(giveUp, waitMs);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      const input = await this.inputOrEnd(request, id, talk, after, over.signal);
      const stop = await this.stop(request, id);
      return input && stop.kind !== 'ended' ? { kind: 'input', execution: stop.execution, input } : stop;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  private async inputOrEnd(request: McpRequest, id: string, talk: Talk, after: number, over: AbortSignal): Promise<WaitingStep | null> {
    const { principal } = request.caller;
    const progress = new ProgressTeller(request, talk);
    const open = new Map<string, WaitingStep>();
    const record = await this.status.record(principal, id);
    for await (const events of this.status.follow(record, after, over)) {
      for (const event of events) {
        // Whatever is said before that would wait in memory, all of a history for a client that does not read.
        await request.caller.taken();
        await this.tell(request, event, talk, progress);
        keepOpen(open, event);
      }
      if (events.length > 0) await progress.ofExecution(async () => (await this.status.record(principal, id)).progress);
      const [input] = open.values();
      if (input) return input;
    }
    return null;
  }

  private async tell({ context }: McpRequest, { event_type, meta }: ExecutionEvent, talk: Talk, progress: ProgressTeller): Promise<void> {
    if (!isObject(meta as Json)) return;
    const said = meta as JsonObject;
    // Of one action among several the percentage of the execution tells.
    if (event_type === 'step_progress' && (said.of_action !== true || talk.relays)) await progress.said(said);
    if (event_type === 'step_log') {
      const { level, logger, message, data } = said;
      await context.mcpReq.log(
        level as LoggingLevel,
        data === undefined ? message : message === undefined ? data : { message, data },
        logger as string,
      );
    }
  }

  private async stop({ caller }: McpRequest, id: string): Promise<CallStop> {
    const execution = await this.status.detail(caller.principal, id, null);
    return { kind: isOver(execution) ? 'ended' : 'going_on', execution };
  }
}

/** Files a step that begins to wait for input, and forgets one that has gone on. */
function keepOpen(open: Map<string, WaitingStep>, { event_type, seq, node_name, wave, meta }: ExecutionEvent): void {
  const key = `${node_name} ${wave}`;
  if (event_type === 'step_waiting' && (meta as JsonObject).waits_for === 'input') open.set(key, { seq, step: node_name });
  else if (event_type.startsWith('step_')) open.delete(key);
}

/** Progress as the protocol wants it: only to who asked, and ever more. */
class ProgressTeller {
  private last = -Infinity;

  constructor(
    private readonly request: McpRequest,
    private readonly talk: Talk,
  ) {}

  /** What a step reports of itself. */
  said({ progress, total, message }: JsonObject): Promise<void> {
    return this.tell(Number(progress), typeof total === 'number' ? total : undefined, typeof message === 'string' ? message : undefined);
  }

  /** What the service makes of it where no step does. */
  async ofExecution(percent: () => Promise<number>): Promise<void> {
    if (this.request.context.mcpReq._meta?.progressToken === undefined || this.talk.progress) return;
    await this.tell(await percent(), 100, undefined);
  }

  private async tell(progress: number, total: number | undefined, message: string | undefined): Promise<void> {
    const progressToken = this.request.context.mcpReq._meta?.progressToken;
    if (progressToken === undefined || !(progress > this.last)) return;
    this.last = progress;
    await this.request.context.mcpReq.notify({
      method: 'notifications/progress',
      params: { progressToken, progress, ...(total === undefined ? {} : { total }), ...(message === undefined ? {} : { message }) },
    });
  }
}
