import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsObject, IsOptional, Matches } from 'class-validator';
import { FREE_OBJECT } from '../common/dto/json-value.js';
import { OptionalText } from '../common/dto/optional-field.js';
import { fingerprintOf, IDEMPOTENCY_KEY } from '../common/idempotency.js';
import { RequestPipe } from '../common/request-pipe.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { StartOptionsRequest } from '../execution/dto/start-options-request.js';

/** How an execution is started besides its arguments: what a client writes into `_meta` as `noetl/<name>`. */
export class CallOptions extends StartOptionsRequest {
  @OptionalText({ type: String, nullable: true, maxLength: 256 })
  readonly version?: string | null;

  @OptionalText({ type: String, nullable: true, maxLength: 255, pattern: IDEMPOTENCY_KEY.source })
  @Matches(IDEMPOTENCY_KEY, { message: 'must be 1 to 255 visible ASCII characters' })
  readonly idempotency_key?: string | null;

  @ApiPropertyOptional({ ...FREE_OBJECT, nullable: true })
  @IsOptional()
  @IsObject()
  readonly metadata?: JsonObject | null;

  @ApiPropertyOptional({ type: Boolean, default: false })
  @IsBoolean()
  readonly merge: boolean = false;
}

const PREFIX = 'noetl/';
const PIPE = new RequestPipe(CallOptions);

/** Reads the options of a call. @throws EngineError `invalid_request`, also for a `noetl/` name that is none */
export function callOptionsOf(meta: Readonly<Record<string, unknown>> | undefined): CallOptions {
  const own = Object.entries(meta ?? {}).filter(([name]) => name.startsWith(PREFIX));
  return PIPE.transform(Object.fromEntries(own.map(([name, value]) => [name.slice(PREFIX.length), value as Json])));
}

/**
 * What a key stands for: the call with all its options. Without any it is what it was before options counted, and keys live for a day: a repeat must not
 * be refused for the update in between.
 * @param options with the version that is asked for, wherever it was written
 */
export function callFingerprint(purpose: string, parameters: JsonObject, { idempotency_key: _key, ...options }: CallOptions): string {
  const unsaid: Readonly<Record<string, Json>> = { version: 'latest', merge: false };
  const said = Object.entries(options).filter(([name, value]) => value !== undefined && value !== null && value !== unsaid[name]);
  if (said.length === 0) return fingerprintOf(`mcp ${purpose}`, parameters);
  return fingerprintOf(`mcp with options ${purpose}`, { parameters, options: Object.fromEntries(said) as JsonObject });
}
