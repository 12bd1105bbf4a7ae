import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What `latest` means of one path. */
@Entity('catalog_head')
export class CatalogHeadEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @PrimaryColumn({ type: 'text' })
  readonly path!: string;

  @Column({ name: 'entry_id', type: 'bigint' })
  readonly entryId!: string;

  @Column({ type: 'text' })
  readonly kind!: string;

  @Column({ type: 'text' })
  readonly version!: string;

  /** Unique in its tenant. */
  @Column({ name: 'tool_name', type: 'text' })
  readonly toolName!: string;

  @Column({ name: 'named_by_author', type: 'boolean' })
  readonly namedByAuthor!: boolean;

  /** Names of the lists it is on; `pinned` is the default one. */
  @Column({ type: 'text', array: true })
  readonly exposed!: string[];

  /** Of resources: their URI or the template of it. */
  @Column({ type: 'text', nullable: true })
  readonly uri!: string | null;

  /** An EntryCard; typed loosely, because TypeORM's types recurse for ever into JSON. */
  @Column({ type: 'json' })
  readonly card!: object;

  @Column({ name: 'search_text', type: 'text' })
  readonly searchText!: string;

  @Column({ name: 'search_words', type: 'tsvector' })
  readonly searchWords!: string;

  /** Rows of another form are made anew. */
  @Column({ type: 'integer' })
  readonly form!: number;
}
