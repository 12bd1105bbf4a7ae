import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json, type JsonObject } from '../../engine/values.js';

/** One wish about many executions, how far it has come, and the lease of the node that works on it. */
@Entity('bulk_operation')
export class BulkOperationEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly action!: string;

  @Column({ type: 'json' })
  readonly filter!: JsonObject;

  @Column({ type: 'text', nullable: true })
  readonly reason!: string | null;

  @Column({ type: 'text' })
  readonly status!: string;

  @Column({ type: 'bigint' })
  readonly total!: string;

  @Column({ type: 'bigint' })
  readonly done!: string;

  @Column({ type: 'bigint' })
  readonly succeeded!: string;

  @Column({ type: 'bigint' })
  readonly skipped!: string;

  @Column({ type: 'bigint' })
  readonly failed!: string;

  @Column({ type: 'json' })
  readonly errors!: Json;

  @Column({ name: 'up_to_id', type: 'bigint' })
  readonly upToId!: string;

  @Column({ name: 'last_id', type: 'bigint' })
  readonly lastId!: string;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  readonly updatedAt!: Date;

  @Column({ name: 'ended_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly endedAt!: Date | null;

  @Column({ name: 'created_by', type: 'text' })
  readonly createdBy!: string;

  @Column({ type: 'text', array: true })
  readonly scopes!: string[];

  @Column({ name: 'idempotency_key', type: 'text', nullable: true })
  readonly idempotencyKey!: string | null;

  @Column({ type: 'text', nullable: true })
  readonly fingerprint!: string | null;

  @Column({ name: 'lease_token', type: 'uuid', nullable: true })
  readonly leaseToken!: string | null;

  @Column({ name: 'lease_until', type: 'timestamptz', precision: 3, nullable: true })
  readonly leaseUntil!: Date | null;

  @Column({ type: 'smallint' })
  readonly attempts!: number;
}
