import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A leased node number for minting ids (D35). */
@Entity('node')
export class NodeEntity {
  @PrimaryColumn({ type: 'smallint' })
  readonly number!: number;

  @Column({ name: 'lease_token', type: 'uuid' })
  readonly leaseToken!: string;

  @Column({ name: 'lease_until', type: 'timestamptz', precision: 3 })
  readonly leaseUntil!: Date;

  @Column({ name: 'high_water', type: 'bigint' })
  readonly highWater!: string;
}
