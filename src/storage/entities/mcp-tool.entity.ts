import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type JsonObject } from '../../engine/values.js';

/** One definition that a server gave of one of its tools, and what was decided about it. */
@Entity('mcp_tool')
export class McpToolEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly server!: string;

  @Column({ type: 'text' })
  readonly tool!: string;

  /** sha-256 of the definition, hex. */
  @Column({ type: 'text' })
  readonly digest!: string;

  @Column({ type: 'json' })
  readonly definition!: JsonObject;

  @Column({ type: 'text' })
  readonly status!: string;

  /** The catalog entry made of it; null until there is one. */
  @Column({ name: 'catalog_id', type: 'bigint', nullable: true })
  readonly catalogId!: string | null;

  @Column({ type: 'text' })
  readonly path!: string;

  @Column({ type: 'text', nullable: true })
  readonly version!: string | null;

  @Column({ name: 'seen_at', type: 'timestamptz', precision: 3 })
  readonly seenAt!: Date;

  @Column({ name: 'approved_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly approvedAt!: Date | null;

  @Column({ name: 'approved_by', type: 'text', nullable: true })
  readonly approvedBy!: string | null;
}
