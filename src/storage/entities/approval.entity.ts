import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type ApprovalDecision, type ApprovalState } from '../../engine/approvals.js';
import { type Json } from '../../engine/values.js';

/** What a firing of an `approval` step asks of people, and what they decided. */
@Entity('approval')
export class ApprovalEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @Column({ type: 'text' })
  readonly step!: string;

  @Column({ type: 'integer' })
  readonly wave!: number;

  @Column({ type: 'text' })
  readonly path!: string;

  @Column({ type: 'text' })
  readonly version!: string;

  @Column({ type: 'text' })
  readonly title!: string;

  @Column({ type: 'text', nullable: true })
  readonly message!: string | null;

  @Column({ type: 'json' })
  readonly data!: Json;

  @Column({ type: 'json' })
  readonly form!: Json;

  @Column({ type: 'text', array: true })
  readonly scopes!: readonly string[];

  @Column({ type: 'text', array: true })
  readonly subjects!: readonly string[];

  @Column({ type: 'smallint' })
  readonly quorum!: number;

  @Column({ name: 'requested_by', type: 'text', array: true })
  readonly requestedBy!: readonly string[];

  @Column({ type: 'text' })
  readonly state!: ApprovalState;

  @Column({ type: 'json', array: true })
  readonly decisions!: readonly ApprovalDecision[];

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly expiresAt!: Date | null;

  @Column({ name: 'closed_at', type: 'timestamptz', precision: 3, nullable: true })
  readonly closedAt!: Date | null;
}
