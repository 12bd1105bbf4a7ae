import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The answer to one of several requests of a step, while others are missing. */
@Entity('mcp_answer')
export class McpAnswerEntity {
  @PrimaryColumn({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @PrimaryColumn({ type: 'text' })
  readonly step!: string;

  @PrimaryColumn({ type: 'integer' })
  readonly wave!: number;

  @PrimaryColumn({ type: 'text' })
  readonly key!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  /** JSON; typed loosely, because TypeORM's types recurse for ever into it. */
  @Column({ type: 'json' })
  readonly answer!: object;

  @Column({ name: 'received_at', type: 'timestamptz', precision: 3 })
  readonly receivedAt!: Date;
}
