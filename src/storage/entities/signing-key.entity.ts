import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A secret that all nodes sign with; made by the first that needs it. */
@Entity('signing_key')
export class SigningKeyEntity {
  @PrimaryColumn({ type: 'text' })
  readonly name!: string;

  @Column({ type: 'bytea' })
  readonly secret!: Buffer;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  readonly createdAt!: Date;
}
