import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An MCP server that an operator registered. */
@Entity('mcp_server')
export class McpServerEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly name!: string;

  /** Counts the changes. */
  @Column({ type: 'integer' })
  readonly version!: number;

  @Column({ type: 'text' })
  readonly url!: string;

  /** Name of a credential. */
  @Column({ type: 'text', nullable: true })
  readonly auth!: string | null;

  @Column({ type: 'json' })
  readonly headers!: Record<string, string>;

  @Column({ type: 'text', nullable: true })
  readonly description!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  readonly updatedAt!: Date;

  @Column({ name: 'created_by', type: 'text' })
  readonly createdBy!: string;
}
