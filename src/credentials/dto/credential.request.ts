import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsObject, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { OptionalInteger, OptionalText } from '../../common/dto/optional-field.js';
import { AnyCase } from '../../common/wire-field.js';
import { CREDENTIAL_TYPES } from '../../engine/auth/credential-types.js';
import { type JsonObject } from '../../engine/values.js';

/** Digits alone would be an id. */
export const CREDENTIAL_NAME = /^[A-Za-z_][A-Za-z0-9_.:@-]*$/;
const MOST_TAGS = 50;
const TYPE = { enum: [...CREDENTIAL_TYPES], enumName: 'CredentialType' };

/** A credential to be stored. The data goes in and never comes out. */
export class CredentialRequest {
  @ApiProperty({
    pattern: CREDENTIAL_NAME.source,
    maxLength: 255,
    example: 'pg_local',
    description: 'By this name playbooks refer to it. A name that exists gets a new version.',
  })
  @IsString()
  @MaxLength(255)
  @Matches(CREDENTIAL_NAME, { message: 'begins with a letter or _ and has letters, digits and _ . : @ -' })
  readonly name!: string;

  @AnyCase()
  @ApiProperty({ ...TYPE, example: 'postgres' })
  @IsIn([...CREDENTIAL_TYPES])
  readonly type!: string;

  @ApiProperty({
    ...FREE_OBJECT,
    description: 'Fields of the type, encrypted at rest and never given out again.',
    example: { db_host: 'db.internal', db_port: 5432, db_user: 'demo', db_password: 'a secret', db_name: 'demo' },
  })
  @IsObject()
  readonly data!: JsonObject;

  @ApiPropertyOptional({ ...FREE_OBJECT, default: {}, description: 'Whatever the caller wants to keep beside it; readable.' })
  @IsObject()
  readonly meta: JsonObject = {};

  @ApiPropertyOptional({ type: [String], maxItems: MOST_TAGS, default: [], example: ['staging'] })
  @IsArray()
  @IsString({ each: true })
  @ArrayMaxSize(MOST_TAGS)
  readonly tags: readonly string[] = [];

  @OptionalText({ type: String, nullable: true, maxLength: 1024, example: 'The demo database' })
  readonly description?: string | null;
}

/** Whether the data is wanted; it is not to be had. */
export class CredentialQuery {
  @ApiPropertyOptional({ type: Boolean, default: false, description: 'true is refused: secrets are write-only.' })
  @IsBoolean()
  readonly include_data: boolean = false;
}

/** Filters and paging of the list of credentials. */
export class ListCredentialsQuery extends CredentialQuery {
  @AnyCase()
  @ApiPropertyOptional({ ...TYPE })
  @IsOptional()
  @IsIn([...CREDENTIAL_TYPES])
  readonly type?: string;

  @OptionalText({ maxLength: 255, description: 'Part of the name or of the description, in any case.' })
  readonly q?: string;

  @OptionalInteger({ minimum: 1, maximum: 1_000, default: 500 })
  readonly limit: number = 500;

  @OptionalText({ maxLength: 400, description: 'From X-Next-Cursor.' })
  readonly cursor?: string;
}
