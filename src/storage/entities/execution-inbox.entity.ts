import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json } from '../../engine/values.js';

/** What others told a run and its holder reads (D5). */
@Entity('execution_inbox')
export class ExecutionInboxEntity {
  @PrimaryColumn({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @PrimaryColumn({ name: 'inbox_seq', type: 'integer' })
  readonly inboxSeq!: number;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly kind!: string;

  @Column({ type: 'json' })
  readonly payload!: Json;

  @Column({ type: 'timestamptz', precision: 3 })
  readonly at!: Date;
}
