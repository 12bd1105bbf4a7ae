import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsObject, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { JSON_VALUE } from '../../common/dto/json-value.js';
import { OptionalInteger, OptionalText } from '../../common/dto/optional-field.js';
import { type Json } from '../../engine/values.js';
import { MCP_SERVER_NAME } from '../../mcp-client/servers-file.js';

const TRANSPORTS = ['streamable_http', 'stdio'] as const;
const REFUSED = 'Refused: servers that are processes are configured where the service runs (MCP_SERVERS_FILE).';

/** A request as pages of the API show it: without the fields that are here to be refused. */
export const MCP_SERVER_EXAMPLE = {
  name: 'weather',
  url: 'https://mcp.example.com/mcp',
  auth: 'weather_token',
  description: 'Forecasts',
} as const;

/** An MCP server that is to be known by a name. */
export class McpServerRequest {
  @ApiProperty({
    pattern: MCP_SERVER_NAME.source,
    example: 'weather',
    description: 'Playbooks and the catalog (`tools/<name>/…`) refer to it by this name. A name that exists gets a new version.',
  })
  @IsString()
  @Matches(MCP_SERVER_NAME, { message: 'has 1-63 of a-z, 0-9, _ and -, and begins with a letter or digit' })
  readonly name!: string;

  @ApiPropertyOptional({
    type: String,
    maxLength: 2_048,
    example: 'https://mcp.example.com/mcp',
    description: 'Its Streamable HTTP endpoint.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(2_048)
  readonly url?: string;

  @OptionalText({
    type: String,
    nullable: true,
    maxLength: 255,
    example: 'weather_token',
    description: 'Name of the credential it is called with.',
  })
  readonly auth?: string | null;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 4_096 },
    maxProperties: 20,
    default: {},
    example: { 'X-Region': 'eu' },
    description: 'Sent with every request. Not those of the protocol or the connection, and no credentials: `auth` is for them.',
  })
  @IsObject()
  readonly headers: Record<string, string> = {};

  @OptionalText({ type: String, nullable: true, maxLength: 1_024, example: 'Forecasts' })
  readonly description?: string | null;

  @ApiPropertyOptional({ enum: TRANSPORTS, enumName: 'McpTransport', default: 'streamable_http', description: '`stdio` is refused here.' })
  @IsIn(TRANSPORTS)
  readonly transport: (typeof TRANSPORTS)[number] = 'streamable_http';

  @ApiPropertyOptional({ ...JSON_VALUE, description: REFUSED })
  @IsOptional()
  readonly command?: Json;

  @ApiPropertyOptional({ ...JSON_VALUE, description: REFUSED })
  @IsOptional()
  readonly args?: Json;

  @ApiPropertyOptional({ ...JSON_VALUE, description: REFUSED })
  @IsOptional()
  readonly env?: Json;
}

/** Paging of lists of servers and of definitions. */
export class McpPageQuery {
  @OptionalInteger({ minimum: 1, maximum: 1_000, default: 100 })
  readonly limit: number = 100;

  @OptionalText({ maxLength: 400, description: 'From X-Next-Cursor.' })
  readonly cursor?: string;
}

/** Which definition of a tool was looked at. */
export class ApproveMcpToolRequest {
  @ApiProperty({
    pattern: '^[0-9a-f]{64}$',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    description: 'Digest of the definition that was reviewed: the server may have changed it again since.',
  })
  @IsString()
  @Matches(/^[0-9a-f]{64}$/)
  readonly digest!: string;
}
