import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A movable name (`latest`, `prod`, …) of one entry of a path. */
@Entity('playbook_tag')
export class PlaybookTagEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @PrimaryColumn({ type: 'text' })
  readonly path!: string;

  @PrimaryColumn({ type: 'text' })
  readonly tag!: string;

  @Column({ name: 'catalog_id', type: 'bigint' })
  readonly catalogId!: string;

  @Column({ type: 'uuid' })
  readonly etag!: string;

  @Column({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  readonly updatedAt!: Date;
}
