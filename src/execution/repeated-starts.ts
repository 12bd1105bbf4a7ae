import { Injectable } from '@nestjs/common';
import { EngineError } from '../engine/engine-error.js';
import { isTerminal } from '../engine/run/events.js';
import { ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { IdempotencyKeyRepository } from '../storage/repositories/idempotency-key.repository.js';
import { RunWaits } from '../storage/run-waits.js';
import { type StartedRun, type StartRun } from './start-run.js';

/** Starts that were made before, found by their idempotency key (D31). */
@Injectable()
export class RepeatedStarts {
  constructor(
    private readonly keys: IdempotencyKeyRepository,
    private readonly executions: ExecutionRepository,
    private readonly waits: RunWaits,
  ) {}

  /**
   * The answer about the execution that the command's key started; null where the key is new or there is none. Waits for its
   * end like the start itself would.
   * @throws EngineError idempotency_key_reused for another body, execution_removed where only the key is left
   */
  async find({ principal, idempotency, waitMs }: Pick<StartRun, 'principal' | 'idempotency' | 'waitMs'>): Promise<StartedRun | null> {
    if (!idempotency) return null;
    const known = await this.keys.find(principal.tenant, idempotency.key);
    if (!known) return null;
    if (known.fingerprint !== idempotency.fingerprint) {
      throw new EngineError('invalid', 'idempotency_key_reused', 'The Idempotency-Key was used with another body.');
    }
    // Subscribed before the read, so that no end falls between the two.
    const wait = waitMs === null ? null : this.waits.begin(principal.tenant, known.executionId, waitMs);
    try {
      const first = await this.executions.withPayload(principal.tenant, known.executionId);
      if (!first) {
        const end = known.finalStatus === null ? '' : `, ${known.finalStatus}`;
        throw new EngineError(
          'conflict',
          'execution_removed',
          `The key belongs to execution ${known.executionId}${end}, which was removed since.`,
        );
      }
      if (isTerminal(first.record.status)) wait?.cancel();
      const found = (await wait?.ended) ? ((await this.executions.withPayload(principal.tenant, known.executionId)) ?? first) : first;
      const ended = isTerminal(found.record.status);
      return {
        execution: found.record,
        result: ended ? found.payload.result : null,
        ended: ended && waitMs !== null,
        durable: true,
        replayed: true,
        warnings: [],
        waitApplied: wait ? waitMs : null,
      };
    } catch (error) {
      wait?.cancel();
      throw error;
    }
  }
}
