import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** A fourth status of catalog entries: versions that wait for a review, which nothing resolves to. */
export class AllowHeldEntries1795906100000 implements MigrationInterface {
  name = 'AllowHeldEntries1795906100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE playbook DROP CONSTRAINT playbook_status_check`);
    await db.query(
      `ALTER TABLE playbook ADD CONSTRAINT playbook_status_check CHECK (status IN ('active', 'deprecated', 'yanked', 'held'))`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`UPDATE playbook SET status = 'yanked' WHERE status = 'held'`);
    await db.query(`ALTER TABLE playbook DROP CONSTRAINT playbook_status_check`);
    await db.query(`ALTER TABLE playbook ADD CONSTRAINT playbook_status_check CHECK (status IN ('active', 'deprecated', 'yanked'))`);
  }
}
