import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type JsonObject } from '../../engine/values.js';
import { storableJson } from '../history/storability.js';

/** One firing of a step that asks. */
export interface AskingStep {
  readonly executionId: string;
  readonly step: string;
  readonly wave: number;
}

/** How long answers wait for the rest. */
const KEPT = `interval '7 days'`;

/** Answers to some of the requests of a step, until the rest has come. */
@Injectable()
export class McpAnswerRepository {
  constructor(private readonly db: DataSource) {}

  /** Adds answers; the first to a request counts. @returns all that have come, these included */
  async add(tenantId: string, asking: AskingStep, answers: JsonObject): Promise<JsonObject> {
    const { executionId, step, wave } = asking;
    await this.db.query(
      `INSERT INTO mcp_answer (execution_id, step, wave, key, tenant_id, answer)
       SELECT $1, $2, $3, key, $4, value FROM json_each($5::json) ON CONFLICT DO NOTHING`,
      [executionId, step, wave, tenantId, storableJson(answers)],
    );
    await this.db.query(`DELETE FROM mcp_answer WHERE received_at < clock_timestamp() - ${KEPT}`);
    // A statement of its own: of two that add the last two answers at once, one sees both.
    return this.of(tenantId, asking);
  }

  /** By key of the request. */
  async of(tenantId: string, { executionId, step, wave }: AskingStep): Promise<JsonObject> {
    const [row] = await this.db.query<{ answers: JsonObject }[]>(
      `SELECT coalesce(json_object_agg(key, answer), '{}') AS answers FROM mcp_answer
       WHERE execution_id = $1 AND step = $2 AND wave = $3 AND tenant_id = $4`,
      [executionId, step, wave, tenantId],
    );
    return row?.answers ?? {};
  }

  /** The step has been answered. */
  async remove(tenantId: string, { executionId, step, wave }: AskingStep): Promise<void> {
    await this.db.query('DELETE FROM mcp_answer WHERE execution_id = $1 AND step = $2 AND wave = $3 AND tenant_id = $4', [
      executionId,
      step,
      wave,
      tenantId,
    ]);
  }
}
