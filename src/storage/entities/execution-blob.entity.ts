import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json } from '../../engine/values.js';

/** A large value of an event, apart from it so that no page of events reads it. */
@Entity('execution_blob')
export class ExecutionBlobEntity {
  @PrimaryColumn({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @PrimaryColumn({ type: 'integer' })
  readonly seq!: number;

  @PrimaryColumn({ type: 'text' })
  readonly part!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ type: 'json' })
  readonly body!: Json;
}
