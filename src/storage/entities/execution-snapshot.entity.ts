import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json } from '../../engine/values.js';

/** A folded state, so that long histories need no full replay. */
@Entity('execution_snapshot')
export class ExecutionSnapshotEntity {
  @PrimaryColumn({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @PrimaryColumn({ type: 'integer' })
  readonly seq!: number;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'smallint' })
  readonly codec!: number;

  @Column({ name: 'engine_digest', type: 'text' })
  readonly engineDigest!: string;

  @Column({ type: 'json' })
  readonly state!: Json;
}
