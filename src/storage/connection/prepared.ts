import { Injectable } from '@nestjs/common';
import { type Pool } from 'pg';
import { DataSource } from 'typeorm';
import { type PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';

/**
 * Statements of the hot reads, planned once per connection instead of once per call: planning a look-up over partitions
 * costs more than doing it. TypeORM has no named statements, so they go to its pool directly.
 */
@Injectable()
export class Prepared {
  constructor(private readonly db: DataSource) {}

  /** @param name fixed per text */
  async query<Row extends object>(name: string, text: string, values: readonly unknown[]): Promise<Row[]> {
    const pool = (this.db.driver as PostgresDriver).master as Pool;
    return (await pool.query<Row>({ name, text, values: [...values] })).rows;
  }
}
