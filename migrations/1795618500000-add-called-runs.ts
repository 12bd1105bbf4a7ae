import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Runs that a run calls: the item of a call is a path of nested iterators, and what was called on the way down is kept, for the bound on
 * recursion. No row had an item so far, so its column is made anew, which rewrites nothing.
 */
export class AddCalledRuns1795618500000 implements MigrationInterface {
  name = 'AddCalledRuns1795618500000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX execution_child`);
    await db.query(`ALTER TABLE execution DROP COLUMN parent_item, ADD COLUMN parent_item text, ADD COLUMN lineage json`);
    await db.query(
      `CREATE UNIQUE INDEX execution_child ON execution (parent_run_id, parent_step, parent_wave, parent_item) NULLS NOT DISTINCT WHERE parent_run_id IS NOT NULL`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX execution_child`);
    await db.query(`ALTER TABLE execution DROP COLUMN parent_item, ADD COLUMN parent_item integer, DROP COLUMN lineage`);
    await db.query(
      `CREATE UNIQUE INDEX execution_child ON execution (parent_run_id, parent_step, parent_wave, parent_item) NULLS NOT DISTINCT WHERE parent_run_id IS NOT NULL`,
    );
  }
}
