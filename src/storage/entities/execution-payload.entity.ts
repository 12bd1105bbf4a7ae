import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json } from '../../engine/values.js';

/** Large values of a run: part 0 is written with the row, part 1 with an end that came later. */
@Entity('execution_payload')
export class ExecutionPayloadEntity {
  @PrimaryColumn({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @PrimaryColumn({ type: 'smallint' })
  readonly part!: number;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'json', nullable: true })
  readonly parameters!: Json | null;

  @Column({ type: 'json', nullable: true })
  readonly workload!: Json | null;

  /** Null as well where the result lies apart. */
  @Column({ type: 'json', nullable: true })
  readonly result!: Json | null;

  /** Of the execution_blob that is the result. */
  @Column({ name: 'result_seq', type: 'integer', nullable: true })
  readonly resultSeq!: number | null;

  @Column({ name: 'result_part', type: 'text', nullable: true })
  readonly resultPart!: string | null;
}
