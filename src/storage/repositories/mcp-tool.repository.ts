import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type JsonObject } from '../../engine/values.js';
import { McpToolEntity } from '../entities/mcp-tool.entity.js';

export const MCP_TOOL_STATUSES = ['approved', 'held'] as const;
export type McpToolStatus = (typeof MCP_TOOL_STATUSES)[number];

/** One row of `mcp_tool`. Times are epoch milliseconds of the database's clock. */
export interface McpToolRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly server: string;
  readonly tool: string;
  readonly digest: string;
  readonly definition: JsonObject;
  readonly status: McpToolStatus;
  readonly catalogId: string | null;
  readonly path: string;
  readonly version: string | null;
  readonly seenAt: number;
  readonly approvedAt: number | null;
  readonly approvedBy: string | null;
}

export interface SeenDefinition {
  readonly id: string;
  readonly tenantId: string;
  readonly server: string;
  readonly tool: string;
  readonly digest: string;
  readonly definition: JsonObject;
  readonly path: string;
  readonly subject: string;
}

/** How many definitions may wait for a review at once. */
export interface WaitingRoom {
  readonly ofTool: number;
  readonly ofServer: number;
}

export interface NotedDefinition {
  readonly record: McpToolRecord;
  /** False where so many wait before it that it is kept only until the next one comes. */
  readonly hasRoom: boolean;
}

/**
 * Definitions of tools that servers gave. A row is added and approved, nothing else of it changes; it goes with its server, or where there was no room for
 * it, with the next one.
 */
@Injectable()
export class McpToolRepository {
  constructor(private readonly db: DataSource) {}

  /** Of one tool, those approved last first, then those seen last. */
  async definitions(tenantId: string, server: string, tool: string): Promise<McpToolRecord[]> {
    const rows = await this.db
      .getRepository(McpToolEntity)
      .find({ where: { tenantId, server, tool }, order: { approvedAt: { direction: 'DESC', nulls: 'LAST' }, id: 'DESC' } });
    return rows.map(recordOf);
  }

  /** Digests of a server's tools that are known, and whether a catalog entry was made of each. */
  async known(
    tenantId: string,
    server: string,
  ): Promise<readonly { tool: string; digest: string; status: McpToolStatus; hasEntry: boolean }[]> {
    return this.db.query(
      `SELECT tool, digest, status, catalog_id IS NOT NULL AS "hasEntry" FROM mcp_tool WHERE tenant_id = $1 AND server = $2 ORDER BY id`,
      [tenantId, server],
    );
  }

  /** A page of a server's definitions in the order of their tools, of each the oldest first. @param after tool and id of the last one already seen */
  async list(tenantId: string, server: string, after: readonly [string, string] | null, limit: number): Promise<McpToolRecord[]> {
    const query = this.db
      .getRepository(McpToolEntity)
      .createQueryBuilder('t')
      .where('t.tenant_id = :tenantId AND t.server = :server', { tenantId, server });
    if (after !== null) query.andWhere('(t.tool COLLATE "C", t.id) > (:tool, :id)', { tool: after[0], id: after[1] });
    const rows = await query.orderBy('t.tool COLLATE "C"', 'ASC').addOrderBy('t.id', 'ASC').take(limit).getMany();
    return rows.map(recordOf);
  }

  /**
   * Notes a definition: the first of a tool is approved with its import, every other one waits for a review. One that is known stays as it is. Of those
   * of a tool that find no room, the newest is kept: an older one that nobody has decided about, and of which no entry was made, goes.
   */
  async note(seen: SeenDefinition, { ofTool, ofServer }: WaitingRoom): Promise<NotedDefinition> {
    const { id, tenantId, server, tool, digest, definition, path, subject } = seen;
    return this.db.transaction(async (tx) => {
      // Two imports at the same time must not both be the first.
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`mcp_tool ${tenantId} ${server} ${tool}`]);
      const added = await tx.query<unknown[]>(
        `INSERT INTO mcp_tool (id, tenant_id, server, tool, digest, definition, path, status, approved_at, approved_by)
         SELECT $1::bigint, $2, $3, $4, $5, $6::json, $7, CASE WHEN known THEN 'held' ELSE 'approved' END,
           CASE WHEN known THEN NULL ELSE clock_timestamp() END, CASE WHEN known THEN NULL ELSE $8 END
         FROM (SELECT EXISTS (SELECT FROM mcp_tool WHERE tenant_id = $2 AND server = $3 AND tool = $4) AS known) others
         ON CONFLICT (tenant_id, server, tool, digest) DO NOTHING RETURNING id`,
        [id, tenantId, server, tool, digest, JSON.stringify(definition), path, subject],
      );
      const record = recordOf(await tx.getRepository(McpToolEntity).findOneOrFail({ where: { tenantId, server, tool, digest } }));
      if (record.status !== 'held') return { record, hasRoom: true };
      if (added.length > 0) {
        await tx.query(
          `WITH waiting AS (${WAITING}) DELETE FROM mcp_tool t USING waiting w
           WHERE t.id = w.id AND w.tool = $3 AND t.id <> $6 AND t.status = 'held' AND t.catalog_id IS NULL AND (w.of_tool > $4 OR w.of_server > $5)`,
          [tenantId, server, tool, ofTool, ofServer, record.id],
        );
      }
      const [place] = await tx.query<{ room: boolean }[]>(
        `WITH waiting AS (${WAITING}) SELECT of_tool <= $3 AND of_server <= $4 AS room FROM waiting WHERE id = $5`,
        [tenantId, server, ofTool, ofServer, record.id],
      );
      return { record, hasRoom: place?.room === true };
    });
  }

  /** Notes which catalog entry was made of a definition. */
  async madeEntry({ tenantId, id }: McpToolRecord, catalogId: string, version: string): Promise<void> {
    await this.db.getRepository(McpToolEntity).update({ tenantId, id }, { catalogId, version });
  }

  /** A definition that cannot be an entry: it goes as it was noted, and stays where somebody has approved it meanwhile. */
  async forget({ tenantId, id, status }: McpToolRecord): Promise<void> {
    await this.db.getRepository(McpToolEntity).delete({ tenantId, id, status });
  }

  /** Approves a definition; one that is approved stays as it is. Null where there is none of that digest. */
  async approve(tenantId: string, server: string, tool: string, digest: string, subject: string): Promise<McpToolRecord | null> {
    await this.db.query(
      `UPDATE mcp_tool SET status = 'approved', approved_at = clock_timestamp(), approved_by = $5
       WHERE tenant_id = $1 AND server = $2 AND tool = $3 AND digest = $4 AND status = 'held'`,
      [tenantId, server, tool, digest, subject],
    );
    const row = await this.db.getRepository(McpToolEntity).findOne({ where: { tenantId, server, tool, digest } });
    return row && recordOf(row);
  }
}

/** What waits for a review, and as the how manieth. */
const WAITING = `SELECT id, tool, row_number() OVER (PARTITION BY tool ORDER BY id) AS of_tool, row_number() OVER (ORDER BY id) AS of_server
  FROM mcp_tool WHERE tenant_id = $1 AND server = $2 AND status = 'held'`;

function recordOf(row: McpToolEntity): McpToolRecord {
  const { status, seenAt, approvedAt } = row;
  return { ...row, status: status as McpToolStatus, seenAt: seenAt.getTime(), approvedAt: approvedAt?.getTime() ?? null };
}
