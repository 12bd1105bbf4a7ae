import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Issue } from '../../engine/engine-error.js';

/** A registered, immutable version of a catalog entry. */
@Entity('playbook')
export class PlaybookEntity {
  @PrimaryColumn({ type: 'bigint' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly path!: string;

  @Column({ type: 'text' })
  readonly name!: string;

  @Column({ type: 'text' })
  readonly kind!: string;

  @Column({ type: 'text' })
  readonly version!: string;

  @Column({ name: 'version_major', type: 'bigint' })
  readonly versionMajor!: string;

  @Column({ name: 'version_minor', type: 'bigint' })
  readonly versionMinor!: string;

  @Column({ name: 'version_patch', type: 'bigint' })
  readonly versionPatch!: string;

  @Column({ name: 'version_prerelease', type: 'text' })
  readonly versionPrerelease!: string;

  @Column({ type: 'integer' })
  readonly revision!: number;

  @Column({ type: 'text' })
  readonly digest!: string;

  @Column({ type: 'text' })
  readonly source!: string;

  /** A Playbook; typed loosely, because TypeORM's types recurse for ever into JSON. */
  @Column({ type: 'json' })
  readonly normalised!: object;

  @Column({ type: 'text', nullable: true })
  readonly description!: string | null;

  @Column({ type: 'json' })
  readonly warnings!: readonly Issue[];

  @Column({ type: 'text' })
  readonly status!: string;

  @Column({ name: 'status_reason', type: 'text', nullable: true })
  readonly statusReason!: string | null;

  @Column({ name: 'registered_at', type: 'timestamptz', precision: 3 })
  readonly registeredAt!: Date;

  @Column({ name: 'registered_by', type: 'text' })
  readonly registeredBy!: string;
}
