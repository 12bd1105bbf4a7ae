import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** One move of a tag, kept for ever. */
@Entity('playbook_tag_move')
export class PlaybookTagMoveEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  readonly id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'text' })
  readonly path!: string;

  @Column({ type: 'text' })
  readonly tag!: string;

  @Column({ name: 'from_catalog_id', type: 'bigint', nullable: true })
  readonly fromCatalogId!: string | null;

  @Column({ name: 'to_catalog_id', type: 'bigint', nullable: true })
  readonly toCatalogId!: string | null;

  @Column({ name: 'moved_at', type: 'timestamptz', precision: 3 })
  readonly movedAt!: Date;

  @Column({ name: 'moved_by', type: 'text' })
  readonly movedBy!: string;
}
