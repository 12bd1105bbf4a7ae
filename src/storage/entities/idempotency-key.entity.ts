import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A start that was asked for under a key of the client; outlives its execution. */
@Entity('idempotency_key')
export class IdempotencyKeyEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @PrimaryColumn({ type: 'text' })
  readonly key!: string;

  @Column({ type: 'text' })
  readonly fingerprint!: string;

  @Column({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @Column({ name: 'final_status', type: 'text', nullable: true })
  readonly finalStatus!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3 })
  readonly expiresAt!: Date;
}
