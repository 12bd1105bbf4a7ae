import { Injectable } from '@nestjs/common';
import { Prepared } from '../connection/prepared.js';

const ENDS = `SELECT id::text AS id, status IN ('completed', 'failed', 'cancelled') AS over FROM execution WHERE id = ANY($1::bigint[])`;

/** Tells what else may go with executions that are over. */
@Injectable()
export class ExecutionEndsRepository {
  constructor(private readonly prepared: Prepared) {}

  /** Which of these go on and which are over; those without a row are in neither. Ids are decimal texts, of any tenant. */
  async of(ids: readonly string[]): Promise<ReadonlyMap<string, 'going' | 'over'>> {
    const possible = ids.filter((id) => BigInt(id) < 2n ** 63n);
    const rows = await this.prepared.query<{ id: string; over: boolean }>('execution_ends', ENDS, [possible]);
    return new Map(rows.map(({ id, over }) => [id, over ? 'over' : 'going']));
  }
}
