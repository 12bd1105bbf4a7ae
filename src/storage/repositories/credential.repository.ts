import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { type JsonObject } from '../../engine/values.js';
import { CredentialEntity } from '../entities/credential.entity.js';

/** Fields under a data key that only the master key `kid` opens. */
export interface EncryptedFields {
  readonly kid: string;
  readonly wrappedKey: Buffer;
  readonly fields: Readonly<Record<string, string>>;
}

/** What is part of the encryption: fields that are moved elsewhere cannot be opened there. */
export interface CredentialPlace {
  readonly tenantId: string;
  readonly id: string;
  readonly version: number;
}

/** One row of `credential`. Times are epoch milliseconds of the database's clock. */
export interface CredentialRecord extends CredentialPlace, EncryptedFields {
  readonly name: string;
  readonly type: string;
  readonly meta: JsonObject;
  readonly tags: readonly string[];
  readonly description: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly createdBy: string;
}

export interface CredentialChange {
  readonly tenantId: string;
  readonly name: string;
  readonly type: string;
  readonly meta: JsonObject;
  readonly tags: readonly string[];
  readonly description: string | null;
  readonly subject: string;
}

export interface CredentialFilter {
  readonly type: string | null;
  /** Part of name or description, any case. */
  readonly text: string | null;
}

/** Credentials at rest. The tenant is part of every statement. */
@Injectable()
export class CredentialRepository {
  constructor(private readonly db: DataSource) {}

  async byName(tenantId: string, name: string): Promise<CredentialRecord | null> {
    const row = await this.db.getRepository(CredentialEntity).findOne({ where: { tenantId, name } });
    return row && recordOf(row);
  }

  async byId(tenantId: string, id: string): Promise<CredentialRecord | null> {
    const row = await this.db.getRepository(CredentialEntity).findOne({ where: { tenantId, id } });
    return row && recordOf(row);
  }

  /** In the order of their names. @param after the last name already seen */
  async list(tenantId: string, { type, text }: CredentialFilter, after: string | null, limit: number): Promise<CredentialRecord[]> {
    const query = this.db.getRepository(CredentialEntity).createQueryBuilder('c').where('c.tenant_id = :tenantId', { tenantId });
    if (type !== null) query.andWhere('c.type = :type', { type });
    if (text !== null) {
      query.andWhere(`(strpos(lower(c.name), lower(:text)) > 0 OR strpos(lower(coalesce(c.description, '')), lower(:text)) > 0)`, { text });
    }
    if (after !== null) query.andWhere('c.name COLLATE "C" > :after', { after });
    const rows = await query.orderBy('c.name COLLATE "C"', 'ASC').take(limit).getMany();
    return rows.map(recordOf);
  }

  /**
   * Stores a new credential, or the next version of the one that has the name.
   * @param id of a new one
   * @param encrypt is given the place the fields are encrypted for
   */
  async save(
    change: CredentialChange,
    id: string,
    encrypt: (place: CredentialPlace) => EncryptedFields,
  ): Promise<{ record: CredentialRecord; isNew: boolean }> {
    const { tenantId, name } = change;
    return this.db.transaction(async (tx) => {
      // Who saves the same name at the same time waits here; a name that is new has no row to lock yet.
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`credential ${tenantId} ${name}`]);
      const existing = await tx.getRepository(CredentialEntity).findOne({ where: { tenantId, name }, lock: { mode: 'pessimistic_write' } });
      return existing
        ? { record: await update(tx, existing, change, encrypt), isNew: false }
        : { record: await insert(tx, id, change, encrypt), isNew: true };
    });
  }

  /** The next version of one that exists; null where it does not, or another has the name. */
  async replace(
    tenantId: string,
    id: string,
    change: CredentialChange,
    encrypt: (place: CredentialPlace) => EncryptedFields,
  ): Promise<CredentialRecord | null> {
    return this.db.transaction(async (tx) => {
      const existing = await tx.getRepository(CredentialEntity).findOne({ where: { tenantId, id }, lock: { mode: 'pessimistic_write' } });
      return existing && existing.name === change.name ? update(tx, existing, change, encrypt) : null;
    });
  }

  async remove(tenantId: string, id: string): Promise<boolean> {
    const { affected } = await this.db.getRepository(CredentialEntity).delete({ tenantId, id });
    return affected === 1;
  }

  /** Some of those whose data keys are not wrapped by `kid`, with higher ids than `after`, of all tenants: for whoever rotates keys. */
  async notWrappedBy(kid: string, after: string, limit: number): Promise<CredentialRecord[]> {
    const rows = await this.db
      .getRepository(CredentialEntity)
      .createQueryBuilder('c')
      .where('c.kid <> :kid AND c.id > :after', { kid, after })
      .orderBy('c.id', 'ASC')
      .take(limit)
      .getMany();
    return rows.map(recordOf);
  }

  /** Wraps the data key anew, unless the credential has changed meanwhile. */
  async rewrap({ tenantId, id, version, kid }: CredentialRecord, wrapped: Pick<EncryptedFields, 'kid' | 'wrappedKey'>): Promise<boolean> {
    const { affected } = await this.db.getRepository(CredentialEntity).update({ tenantId, id, version, kid }, wrapped);
    return affected === 1;
  }
}

async function insert(
  tx: EntityManager,
  id: string,
  change: CredentialChange,
  encrypt: (place: CredentialPlace) => EncryptedFields,
): Promise<CredentialRecord> {
  const { tenantId, name, type, meta, tags, description, subject } = change;
  const values = {
    id,
    tenantId,
    name,
    type,
    version: 1,
    meta,
    tags: [...tags],
    description,
    createdBy: subject,
    ...encrypt({ tenantId, id, version: 1 }),
  };
  await tx
    .createQueryBuilder()
    .insert()
    .into(CredentialEntity)
    .values(values as object)
    .updateEntity(false)
    .execute();
  return stored(tx, tenantId, id);
}

async function update(
  tx: EntityManager,
  { id, version }: CredentialEntity,
  change: CredentialChange,
  encrypt: (place: CredentialPlace) => EncryptedFields,
): Promise<CredentialRecord> {
  const { tenantId, type, meta, tags, description } = change;
  const next = version + 1;
  const set = {
    type,
    version: next,
    meta,
    tags: [...tags],
    description,
    updatedAt: () => 'clock_timestamp()',
    ...encrypt({ tenantId, id, version: next }),
  };
  await tx
    .createQueryBuilder()
    .update(CredentialEntity)
    .set(set as object)
    .where({ tenantId, id })
    .execute();
  return stored(tx, tenantId, id);
}

async function stored(tx: EntityManager, tenantId: string, id: string): Promise<CredentialRecord> {
  return recordOf(await tx.getRepository(CredentialEntity).findOneOrFail({ where: { tenantId, id } }));
}

function recordOf(row: CredentialEntity): CredentialRecord {
  return { ...row, createdAt: row.createdAt.getTime(), updatedAt: row.updatedAt.getTime() };
}
