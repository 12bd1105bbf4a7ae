import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json, type JsonObject } from '../../engine/values.js';

/** One run: what its start fixed, what answers show, and the columns of the durability protocol. */
@Entity('execution')
export class ExecutionEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ name: 'catalog_id', type: 'bigint' })
  readonly catalogId!: string;

  @Column({ type: 'text' })
  readonly path!: string;

  @Column({ name: 'playbook_name', type: 'text' })
  readonly playbookName!: string;

  @Column({ type: 'text' })
  readonly version!: string;

  @Column({ name: 'shown_version', type: 'text' })
  readonly shownVersion!: string;

  @Column({ name: 'requested_version', type: 'text' })
  readonly requestedVersion!: string;

  @Column({ name: 'execution_type', type: 'text' })
  readonly executionType!: string;

  @Column({ type: 'text' })
  readonly digest!: string;

  @Column({ type: 'boolean' })
  readonly merge!: boolean;

  @Column({ type: 'jsonb', nullable: true })
  readonly metadata!: JsonObject | null;

  @Column({ name: 'parent_execution_id', type: 'text', nullable: true })
  readonly parentExecutionId!: string | null;

  @Column({ name: 'parent_event_id', type: 'text', nullable: true })
  readonly parentEventId!: string | null;

  @Column({ name: 'parent_step', type: 'text', nullable: true })
  readonly parentStep!: string | null;

  @Column({ name: 'parent_run_id', type: 'bigint', nullable: true })
  readonly parentRunId!: string | null;

  @Column({ name: 'parent_wave', type: 'integer', nullable: true })
  readonly parentWave!: number | null;

  @Column({ name: 'parent_item', type: 'text', nullable: true })
  readonly parentItem!: string | null;

  @Column({ type: 'json', nullable: true })
  readonly lineage!: readonly string[] | null;

  @Column({ name: 'forked_from', type: 'bigint', nullable: true })
  readonly forkedFrom!: string | null;

  @Column({ type: 'smallint' })
  readonly priority!: number;

  @Column({ name: 'start_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly startAt!: Date | null;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly expiresAt!: Date | null;

  @Column({ name: 'timeout_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly timeoutAt!: Date | null;

  @Column({ type: 'text' })
  readonly status!: string;

  @Column({ type: 'smallint' })
  readonly progress!: number;

  @Column({ name: 'current_step', type: 'text', nullable: true })
  readonly currentStep!: string | null;

  @Column({ name: 'waiting_for', type: 'json', nullable: true })
  readonly waitingFor!: Json | null;

  @Column({ type: 'json', nullable: true })
  readonly error!: Json | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  readonly updatedAt!: Date;

  @Column({ name: 'ended_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly endedAt!: Date | null;

  @Column({ name: 'lease_token', type: 'uuid', nullable: true })
  readonly leaseToken!: string | null;

  @Column({ name: 'lease_until', type: 'timestamptz', precision: 3, nullable: true })
  readonly leaseUntil!: Date | null;

  @Column({ name: 'claim_no', type: 'integer' })
  readonly claimNo!: number;

  @Column({ name: 'last_seq', type: 'integer' })
  readonly lastSeq!: number;

  @Column({ name: 'inbox_seq', type: 'integer' })
  readonly inboxSeq!: number;

  @Column({ name: 'inbox_consumed', type: 'integer' })
  readonly inboxConsumed!: number;

  @Column({ name: 'wake_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly wakeAt!: Date | null;

  @Column({ name: 'cancel_requested_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly cancelRequestedAt!: Date | null;

  @Column({ name: 'pause_requested_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly pauseRequestedAt!: Date | null;

  @Column({ type: 'smallint' })
  readonly attempts!: number;

  @Column({ type: 'smallint' })
  readonly codec!: number;
}
