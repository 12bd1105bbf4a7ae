import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type JsonObject } from '../../engine/values.js';

/** A credential as it lies at rest: nothing here can be read without the master key that `kid` names. */
@Entity('credential')
export class CredentialEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly name!: string;

  @Column({ type: 'text' })
  readonly type!: string;

  /** Counts the changes of fields or type. */
  @Column({ type: 'integer' })
  readonly version!: number;

  @Column({ type: 'text' })
  readonly kid!: string;

  @Column({ name: 'wrapped_key', type: 'bytea' })
  readonly wrappedKey!: Buffer;

  /** Base64 of nonce, cipher text and tag, by name. */
  @Column({ type: 'json' })
  readonly fields!: Record<string, string>;

  @Column({ type: 'json' })
  readonly meta!: JsonObject;

  @Column({ type: 'text', array: true })
  readonly tags!: string[];

  @Column({ type: 'text', nullable: true })
  readonly description!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  readonly updatedAt!: Date;

  @Column({ name: 'created_by', type: 'text' })
  readonly createdBy!: string;
}
