import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type JsonObject } from '../engine/values.js';
import { ControlService } from '../execution/control.service.js';
import { StatusService } from '../status/status.service.js';
import { type AskingStep, McpAnswerRepository } from '../storage/repositories/mcp-answer.repository.js';

/** What a step asks for, and what has been answered of it so far. */
export interface OpenInput {
  readonly asking: AskingStep;
  /** By key: `{method, params}`. */
  readonly requests: JsonObject;
  readonly answers: JsonObject;
}

/** Steps that ask for input, and the answers to them: given through the door of signals once all of them have come. */
@Injectable()
export class OpenInputs {
  constructor(
    private readonly status: StatusService,
    private readonly control: ControlService,
    private readonly answers: McpAnswerRepository,
  ) {}

  /** What a step asks now; null where it asks nothing (any more). */
  async of(principal: Principal, executionId: string, step: string): Promise<OpenInput | null> {
    const open = await this.status.openInput(principal, executionId, step);
    if (!open) return null;
    const asking = { executionId, step, wave: open.wave };
    return { asking, requests: open.requests, answers: await this.answers.of(principal.tenant, asking) };
  }

  /**
   * Keeps answers that fit their requests, and gives them to the step where they are all it asks for.
   * @returns whether they were; true also where somebody else was first
   */
  async give(principal: Principal, { asking, requests, answers }: OpenInput, more: JsonObject): Promise<boolean> {
    const keys = Object.keys(requests);
    const isAll = (given: JsonObject): boolean => keys.every((key) => Object.hasOwn(given, key));
    const atOnce = { ...more, ...answers };
    // Most steps are answered in one go: then nothing needs to be kept.
    const all = isAll(atOnce) ? atOnce : await this.answers.add(principal.tenant, asking, more);
    if (!isAll(all)) return false;
    try {
      await this.control.signal(principal, asking.executionId, asking.step, all);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'conflict') throw error;
    }
    await this.answers.remove(principal.tenant, asking);
    return true;
  }
}
