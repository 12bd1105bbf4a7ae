import { Injectable } from '@nestjs/common';
import { type RunId } from '../../engine/ports.js';
import { type RunStatus } from '../../engine/run/events.js';
import { Prepared } from '../connection/prepared.js';

/** What a key was used for. */
export interface KnownStart {
  readonly executionId: RunId;
  readonly fingerprint: string;
  /** How the execution ended, where it was removed since; keys outlive their executions. */
  readonly finalStatus: RunStatus | null;
}

/** Reads idempotency keys; they are written with their executions, in the same statement (D31). */
@Injectable()
export class IdempotencyKeyRepository {
  constructor(private readonly prepared: Prepared) {}

  /** The start a key of this tenant belongs to; null where it was not used, or so long ago that it counts as new. */
  async find(tenantId: string, key: string): Promise<KnownStart | null> {
    const [row] = await this.prepared.query<KnownStart>('idempotency_key', FIND, [tenantId, key]);
    return row ?? null;
  }
}

const FIND = `
  SELECT execution_id AS "executionId", fingerprint, final_status AS "finalStatus" FROM idempotency_key
  WHERE tenant_id = $1 AND key = $2 AND expires_at > clock_timestamp()`;
