import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The tables of catalog and executions (docs/architecture.md, "Durability").
 *
 * Live updates of `execution` touch no indexed column but `wake_at` and `lease_token`, so that all between claim and end can be HOT; there is no
 * index on `lease_until`, because every unit changes it. History and payloads are partitioned by id (ids are time-ordered),
 * so that old ones can be dropped as a whole; partitions ahead are made at run time, DEFAULT catches what has none.
 */
export class CreateSchema1795000000000 implements MigrationInterface {
  name = 'CreateSchema1795000000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE playbook (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        path text NOT NULL,
        name text NOT NULL,
        kind text NOT NULL,
        version text NOT NULL,
        version_major bigint NOT NULL,
        version_minor bigint NOT NULL,
        version_patch bigint NOT NULL,
        version_prerelease text NOT NULL,
        revision integer NOT NULL,
        digest text NOT NULL,
        source text NOT NULL,
        normalised json NOT NULL,
        description text,
        warnings json NOT NULL DEFAULT '[]',
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'deprecated', 'yanked')),
        status_reason text,
        registered_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        registered_by text NOT NULL,
        CONSTRAINT playbook_version UNIQUE (tenant_id, path, version),
        CONSTRAINT playbook_revision UNIQUE (tenant_id, path, revision)
      )`);
    await db.query(`
      CREATE TABLE playbook_tag (
        tenant_id text NOT NULL,
        path text NOT NULL,
        tag text NOT NULL,
        catalog_id bigint NOT NULL,
        etag uuid NOT NULL DEFAULT gen_random_uuid(),
        updated_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, path, tag)
      )`);
    await db.query(`
      CREATE TABLE playbook_tag_move (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant_id text NOT NULL,
        path text NOT NULL,
        tag text NOT NULL,
        from_catalog_id bigint,
        to_catalog_id bigint,
        moved_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        moved_by text NOT NULL
      )`);
    await db.query(`CREATE INDEX playbook_tag_move_by_path ON playbook_tag_move (tenant_id, path, id DESC)`);

    await db.query(`
      CREATE TABLE execution (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        catalog_id bigint NOT NULL,
        path text NOT NULL,
        playbook_name text NOT NULL,
        version text NOT NULL,
        shown_version text NOT NULL,
        requested_version text NOT NULL,
        execution_type text NOT NULL,
        digest text NOT NULL,
        merge boolean NOT NULL DEFAULT false,
        metadata jsonb,
        parent_execution_id text,
        parent_event_id text,
        parent_step text,
        parent_run_id bigint,
        parent_wave integer,
        parent_item integer,
        forked_from bigint,
        priority smallint NOT NULL DEFAULT 0,
        start_at timestamptz(3),
        expires_at timestamptz(3),
        timeout_at timestamptz(3),
        status text NOT NULL CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
        progress smallint NOT NULL DEFAULT 0,
        current_step text,
        waiting_for json,
        error json,
        created_at timestamptz(3) NOT NULL,
        updated_at timestamptz(3) NOT NULL,
        ended_at timestamptz(3),
        lease_token uuid,
        lease_until timestamptz(3),
        claim_no integer NOT NULL DEFAULT 0,
        last_seq integer NOT NULL DEFAULT 0,
        inbox_seq integer NOT NULL DEFAULT 0,
        inbox_consumed integer NOT NULL DEFAULT 0,
        wake_at timestamptz(3),
        cancel_requested_at timestamptz(3),
        pause_requested_at timestamptz(3),
        attempts smallint NOT NULL DEFAULT 0,
        codec smallint NOT NULL DEFAULT 1
      ) WITH (fillfactor = 70)`);
    // Lists, newest first. None of these columns changes while an execution lives.
    await db.query(`CREATE INDEX execution_by_tenant ON execution (tenant_id, id DESC)`);
    await db.query(`CREATE INDEX execution_by_path ON execution (tenant_id, path, id DESC)`);
    await db.query(
      `CREATE INDEX execution_by_parent ON execution (tenant_id, parent_execution_id, id) WHERE parent_execution_id IS NOT NULL`,
    );
    await db.query(`CREATE INDEX execution_by_metadata ON execution USING gin (metadata jsonb_path_ops) WHERE metadata IS NOT NULL`);
    // Most executions end completed and are found by the lists above; the rest stay few.
    await db.query(`CREATE INDEX execution_not_completed ON execution (tenant_id, status, id DESC) WHERE status <> 'completed'`);
    // The sweeper looks for expired leases among the held rows only.
    await db.query(`CREATE INDEX execution_leased ON execution (id) WHERE lease_token IS NOT NULL`);
    // Due rows, whatever their status: whoever wants a row worked on sets wake_at.
    await db.query(`CREATE INDEX execution_due ON execution (wake_at) WHERE wake_at IS NOT NULL`);
    // One child per parent, step, wave and item; only the engine fills parent_run_id.
    await db.query(
      `CREATE UNIQUE INDEX execution_child ON execution (parent_run_id, parent_step, parent_wave, parent_item) NULLS NOT DISTINCT WHERE parent_run_id IS NOT NULL`,
    );

    await db.query(`
      CREATE TABLE execution_payload (
        execution_id bigint NOT NULL,
        part smallint NOT NULL,
        tenant_id text NOT NULL,
        parameters json,
        workload json,
        result json,
        PRIMARY KEY (execution_id, part)
      ) PARTITION BY RANGE (execution_id)`);
    await db.query(`CREATE TABLE execution_payload_default PARTITION OF execution_payload DEFAULT`);
    await db.query(`
      CREATE TABLE execution_event (
        execution_id bigint NOT NULL,
        seq integer NOT NULL,
        tenant_id text NOT NULL,
        event_type text NOT NULL,
        step text,
        at timestamptz(3) NOT NULL,
        body json NOT NULL,
        PRIMARY KEY (execution_id, seq)
      ) PARTITION BY RANGE (execution_id)`);
    await db.query(`CREATE TABLE execution_event_default PARTITION OF execution_event DEFAULT`);
    await db.query(`
      CREATE TABLE execution_inbox (
        execution_id bigint NOT NULL,
        inbox_seq integer NOT NULL,
        tenant_id text NOT NULL,
        kind text NOT NULL,
        payload json NOT NULL,
        at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (execution_id, inbox_seq)
      )`);
    await db.query(`
      CREATE TABLE execution_snapshot (
        execution_id bigint NOT NULL,
        seq integer NOT NULL,
        tenant_id text NOT NULL,
        codec smallint NOT NULL,
        engine_digest text NOT NULL,
        state json NOT NULL,
        PRIMARY KEY (execution_id, seq)
      )`);
    await db.query(`
      CREATE TABLE idempotency_key (
        tenant_id text NOT NULL,
        key text NOT NULL,
        fingerprint text NOT NULL,
        execution_id bigint NOT NULL,
        final_status text,
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz(3) NOT NULL,
        PRIMARY KEY (tenant_id, key)
      )`);
    await db.query(`CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at)`);
    // A purge notes in the key how the execution ended that it removes.
    await db.query(`CREATE INDEX idempotency_key_execution ON idempotency_key (execution_id)`);
    // Node numbers for ids: a number is leased, and its next owner starts above the high-water mark (D35).
    await db.query(`
      CREATE TABLE node (
        number smallint PRIMARY KEY CHECK (number BETWEEN 0 AND 1023),
        lease_token uuid NOT NULL,
        lease_until timestamptz(3) NOT NULL,
        high_water bigint NOT NULL
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const table of [
      'node',
      'idempotency_key',
      'execution_snapshot',
      'execution_inbox',
      'execution_event',
      'execution_payload',
      'execution',
      'playbook_tag_move',
      'playbook_tag',
      'playbook',
    ]) {
      await db.query(`DROP TABLE ${table}`);
    }
  }
}
