import { Inject, Injectable } from '@nestjs/common';
import { isId } from '../common/id-pipe.js';
import { type Principal } from '../common/principal.js';
import { missingFields } from '../engine/auth/credential-types.js';
import { EngineError } from '../engine/engine-error.js';
import { type JsonObject } from '../engine/values.js';
import { IdMint } from '../storage/ids.js';
import {
  type CredentialChange,
  type CredentialFilter,
  type CredentialPlace,
  type CredentialRecord,
  CredentialRepository,
  type EncryptedFields,
} from '../storage/repositories/credential.repository.js';
import { encryptFields } from './envelope.js';
import { KEY_RING, type KeyRing } from './key-ring.js';

/** A credential as a request wants it. */
export interface CredentialWish {
  readonly name: string;
  readonly type: string;
  readonly data: JsonObject;
  readonly meta: JsonObject;
  readonly tags: readonly string[];
  readonly description: string | null;
}

/** Stores credentials, and tells of them what may be told. Every method throws `encryption_key_missing` on a node without a key. */
@Injectable()
export class CredentialService {
  constructor(
    private readonly credentials: CredentialRepository,
    private readonly ids: IdMint,
    @Inject(KEY_RING) private readonly ring: KeyRing | null,
  ) {}

  /** A new one, or the next version of the one of that name. @throws EngineError for fields that the type needs */
  async save(principal: Principal, wish: CredentialWish): Promise<{ record: CredentialRecord; isNew: boolean }> {
    const encrypt = this.encryption(wish);
    return this.credentials.save(changeOf(principal, wish), this.ids.next(), encrypt);
  }

  /** The next version of an existing one. @throws EngineError unknown_credential */
  async replace(principal: Principal, idOrName: string, wish: CredentialWish): Promise<CredentialRecord> {
    const encrypt = this.encryption(wish);
    const { id, name } = await this.get(principal, idOrName);
    if (name !== wish.name) {
      throw new EngineError('invalid', 'invalid_request', 'A credential keeps its name: playbooks refer to it.', [
        { code: 'invalid_value', pointer: '/name', message: `is not ${name}, the name of this credential` },
      ]);
    }
    return known(await this.credentials.replace(principal.tenant, id, changeOf(principal, wish), encrypt), idOrName);
  }

  list(principal: Principal, filter: CredentialFilter, after: string | null, limit: number): Promise<CredentialRecord[]> {
    this.keys();
    return this.credentials.list(principal.tenant, filter, after, limit);
  }

  /** @throws EngineError unknown_credential */
  async get({ tenant }: Principal, idOrName: string): Promise<CredentialRecord> {
    this.keys();
    const found = isId(idOrName) ? await this.credentials.byId(tenant, idOrName) : await this.credentials.byName(tenant, idOrName);
    return known(found, idOrName);
  }

  /** Steps that name it fail from now on. @throws EngineError unknown_credential */
  async remove(principal: Principal, idOrName: string): Promise<void> {
    const { id } = await this.get(principal, idOrName);
    if (!(await this.credentials.remove(principal.tenant, id))) known(null, idOrName);
  }

  private encryption({ type, data }: CredentialWish): (place: CredentialPlace) => EncryptedFields {
    const ring = this.keys();
    if (Object.keys(data).length === 0) {
      throw new EngineError('invalid', 'invalid_request', 'A credential has at least one field.', [
        { code: 'invalid_value', pointer: '/data', message: 'has no fields' },
      ]);
    }
    const missing = missingFields(type, data);
    if (missing.length > 0) {
      throw new EngineError(
        'invalid',
        'invalid_request',
        `A credential of type ${type} lacks ${missing.join(', ')}.`,
        missing.map((field) => ({ code: 'missing_field', pointer: `/data/${field}`, message: 'is missing' })),
      );
    }
    return (place) => encryptFields(ring, place, data);
  }

  private keys(): KeyRing {
    if (this.ring) return this.ring;
    throw new EngineError('unavailable', 'encryption_key_missing', 'This node has no encryption key; set ENCRYPTION_KEY_FILE.');
  }
}

function changeOf({ tenant, subject }: Principal, { name, type, meta, tags, description }: CredentialWish): CredentialChange {
  return { tenantId: tenant, name, type, meta, tags, description, subject };
}

function known(record: CredentialRecord | null, idOrName: string): CredentialRecord {
  if (record) return record;
  throw new EngineError('not_found', 'unknown_credential', `There is no credential ${JSON.stringify(idOrName.slice(0, 100))}.`);
}
