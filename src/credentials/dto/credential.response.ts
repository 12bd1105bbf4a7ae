import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { CREDENTIAL_TYPES } from '../../engine/auth/credential-types.js';
import { type JsonObject } from '../../engine/values.js';
import { type CredentialFilter, type CredentialRecord } from '../../storage/repositories/credential.repository.js';

const TIME = { format: 'date-time', example: '2025-10-11T10:30:00.000Z' };

/** A credential without its data. */
export class Credential {
  @ApiProperty({ pattern: '^[0-9]+$', example: '415923710348034048' })
  readonly id!: string;

  @ApiProperty({ example: 'pg_local' })
  readonly name!: string;

  @ApiProperty({ enum: [...CREDENTIAL_TYPES], enumName: 'CredentialType', example: 'postgres' })
  readonly type!: string;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Counts the changes.' })
  readonly version!: number;

  @ApiProperty({ ...FREE_OBJECT })
  readonly meta!: JsonObject;

  @ApiProperty({ type: [String], example: ['staging'] })
  readonly tags!: readonly string[];

  @ApiProperty({ type: String, nullable: true, example: 'The demo database' })
  readonly description!: string | null;

  @ApiProperty(TIME)
  readonly created_at!: string;

  @ApiProperty(TIME)
  readonly updated_at!: string;

  static from({ id, name, type, version, meta, tags, description, createdAt, updatedAt }: CredentialRecord): Credential {
    const times = { created_at: new Date(createdAt).toISOString(), updated_at: new Date(updatedAt).toISOString() };
    return { id, name, type, version, meta, tags, description, ...times };
  }
}

/** What a list was asked for. */
export class CredentialListFilter {
  @ApiProperty({ type: String, nullable: true })
  readonly type!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly q!: string | null;
}

/** A page of credentials, in the order of their names. */
export class CredentialList {
  @ApiProperty({ type: () => Credential, isArray: true })
  readonly items!: Credential[];

  @ApiProperty({ type: () => CredentialListFilter })
  readonly filter!: CredentialListFilter;

  static from(records: readonly CredentialRecord[], { type, text }: CredentialFilter): CredentialList {
    return { items: records.map((record) => Credential.from(record)), filter: { type, q: text } };
  }
}
