import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The result of an execution mostly is the value of its last step. A large one lies in execution_blob already: the payload refers to it instead of
 * holding it a second time. Results that were stored before stay as they are.
 */
export class ReferToLargeResults1796100000000 implements MigrationInterface {
  name = 'ReferToLargeResults1796100000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE execution_payload ADD COLUMN result_seq integer, ADD COLUMN result_part text`);
  }

  /** Results that are only referred to are put where they were before. */
  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      UPDATE execution_payload p SET result = b.body FROM execution_blob b
      WHERE b.execution_id = p.execution_id AND b.seq = p.result_seq AND b.part = p.result_part`);
    await db.query(`ALTER TABLE execution_payload DROP COLUMN result_seq, DROP COLUMN result_part`);
  }
}
