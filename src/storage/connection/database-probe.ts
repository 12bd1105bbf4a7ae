import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** Asks the database whether it is there. */
@Injectable()
export class DatabaseProbe {
  constructor(private readonly db: DataSource) {}

  /** Rejects where it is not. */
  async answers(): Promise<void> {
    await this.db.query('SELECT 1');
  }
}
