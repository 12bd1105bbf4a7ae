import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { McpServerEntity } from '../entities/mcp-server.entity.js';
import { McpToolEntity } from '../entities/mcp-tool.entity.js';

/** One row of `mcp_server`. Times are epoch milliseconds of the database's clock. */
export interface McpServerRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly version: number;
  readonly url: string;
  readonly auth: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly createdBy: string;
}

export type McpServerChange = Pick<McpServerRecord, 'tenantId' | 'name' | 'url' | 'auth' | 'headers' | 'description'> & {
  readonly subject: string;
};

/** MCP servers that were registered. The tenant is part of every statement. */
@Injectable()
export class McpServerRepository {
  constructor(private readonly db: DataSource) {}

  async byName(tenantId: string, name: string): Promise<McpServerRecord | null> {
    const row = await this.db.getRepository(McpServerEntity).findOne({ where: { tenantId, name } });
    return row && recordOf(row);
  }

  /** In the order of their names. @param after the last name already seen */
  async list(tenantId: string, after: string | null, limit: number): Promise<McpServerRecord[]> {
    const query = this.db.getRepository(McpServerEntity).createQueryBuilder('s').where('s.tenant_id = :tenantId', { tenantId });
    if (after !== null) query.andWhere('s.name COLLATE "C" > :after', { after });
    return (await query.orderBy('s.name COLLATE "C"', 'ASC').take(limit).getMany()).map(recordOf);
  }

  /** Stores a new server, or the next version of the one that has the name. @param id of a new one */
  async save(change: McpServerChange, id: string): Promise<{ record: McpServerRecord; isNew: boolean }> {
    const { tenantId, name, url, auth, headers, description, subject } = change;
    const [row] = await this.db.query<{ version: number }[]>(
      `INSERT INTO mcp_server (id, tenant_id, name, version, url, auth, headers, description, created_by)
       VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8)
       ON CONFLICT (tenant_id, name) DO UPDATE SET version = mcp_server.version + 1, url = excluded.url, auth = excluded.auth,
         headers = excluded.headers, description = excluded.description, updated_at = clock_timestamp()
       RETURNING version`,
      [id, tenantId, name, url, auth, JSON.stringify(headers), description, subject],
    );
    const record = await this.byName(tenantId, name);
    if (!record) throw new Error('an MCP server was saved and is not there');
    return { record, isNew: row?.version === 1 };
  }

  /** With every definition of its tools. @returns false where there was none */
  async remove(tenantId: string, name: string): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      await tx.getRepository(McpToolEntity).delete({ tenantId, server: name });
      const { affected } = await tx.getRepository(McpServerEntity).delete({ tenantId, name });
      return affected === 1;
    });
  }
}

function recordOf(row: McpServerEntity): McpServerRecord {
  return { ...row, createdAt: row.createdAt.getTime(), updatedAt: row.updatedAt.getTime() };
}
