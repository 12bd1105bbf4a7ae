import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type Json } from '../../engine/values.js';

/** One event of a run; the events are the only record of its steps. */
@Entity('execution_event')
export class ExecutionEventEntity {
  @PrimaryColumn({ name: 'execution_id', type: 'bigint' })
  readonly executionId!: string;

  @PrimaryColumn({ type: 'integer' })
  readonly seq!: number;

  @Column({ name: 'tenant_id', type: 'text' })
  readonly tenantId!: string;

  @Column({ name: 'event_type', type: 'text' })
  readonly eventType!: string;

  @Column({ type: 'text', nullable: true })
  readonly step!: string | null;

  @Column({ type: 'timestamptz', precision: 3 })
  readonly at!: Date;

  @Column({ type: 'json' })
  readonly body!: Json;
}
