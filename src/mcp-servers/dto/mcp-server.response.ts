import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { type JsonObject } from '../../engine/values.js';
import { MCP_TOOL_STATUSES, type McpToolRecord, type McpToolStatus } from '../../storage/repositories/mcp-tool.repository.js';
import { type KnownServer } from '../mcp-servers.service.js';
import { IMPORT_OUTCOMES, type ImportedTool } from '../tool-imports.js';

const TIME = { format: 'date-time', example: '2026-10-11T10:30:00.000Z' };
const OPTIONAL_TIME = { type: String, nullable: true, ...TIME };
const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** An MCP server. What starts a process of the configuration is not told. */
export class McpServerResponse {
  @ApiProperty({ example: 'weather' })
  readonly name!: string;

  @ApiProperty({ enum: ['streamable_http', 'stdio'], enumName: 'McpTransport' })
  readonly transport!: 'streamable_http' | 'stdio';

  @ApiProperty({ type: String, nullable: true, pattern: '^[0-9]+$', description: 'null for a process of the configuration.' })
  readonly id!: string | null;

  @ApiProperty({ type: 'integer', nullable: true, minimum: 1, description: 'Counts the changes.' })
  readonly version!: number | null;

  @ApiProperty({ type: String, nullable: true, example: 'https://mcp.example.com/mcp' })
  readonly url!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'weather_token', description: 'Name of a credential.' })
  readonly auth!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  readonly headers!: Readonly<Record<string, string>>;

  @ApiProperty({ type: String, nullable: true })
  readonly description!: string | null;

  @ApiProperty(OPTIONAL_TIME)
  readonly created_at!: string | null;

  @ApiProperty(OPTIONAL_TIME)
  readonly updated_at!: string | null;

  static from(known: KnownServer): McpServerResponse {
    if (known.kind === 'stdio') {
      const nothing = {
        id: null,
        version: null,
        url: null,
        auth: null,
        headers: {},
        description: null,
        created_at: null,
        updated_at: null,
      };
      return { name: known.server.name, transport: 'stdio', ...nothing };
    }
    const { id, name, version, url, auth, headers, description, createdAt, updatedAt } = known.record;
    const times = { created_at: timeOf(createdAt), updated_at: timeOf(updatedAt) };
    return { name, transport: 'streamable_http', id, version, url, auth, headers, description, ...times };
  }
}

/** A page of servers, in the order of their names. */
export class McpServerList {
  @ApiProperty({ type: () => McpServerResponse, isArray: true })
  readonly items!: McpServerResponse[];
}

/** One definition of a tool: what the server says of it, and whether calls may be made against it. */
export class McpToolDefinitionResponse {
  @ApiProperty({ example: 'forecast' })
  readonly name!: string;

  @ApiProperty({ description: 'SHA-256 of the definition, hex.' })
  readonly digest!: string;

  @ApiProperty({ enum: MCP_TOOL_STATUSES, enumName: 'McpToolStatus' })
  readonly status!: McpToolStatus;

  @ApiProperty({ example: 'tools/weather/forecast' })
  readonly path!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: '1.0.0',
    description: 'Version of the catalog entry that was made of it; null where too many wait for a review, until it is approved.',
  })
  readonly version!: string | null;

  @ApiProperty({ type: String, nullable: true, pattern: '^[0-9]+$' })
  readonly catalog_id!: string | null;

  @ApiProperty({ ...FREE_OBJECT, description: 'Words of the server: name, title, description, schemas, annotations. Not to be trusted.' })
  readonly definition!: JsonObject;

  @ApiProperty(TIME)
  readonly seen_at!: string;

  @ApiProperty(OPTIONAL_TIME)
  readonly approved_at!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly approved_by!: string | null;

  static from({
    tool,
    digest,
    status,
    path,
    version,
    catalogId,
    definition,
    seenAt,
    approvedAt,
    approvedBy,
  }: McpToolRecord): McpToolDefinitionResponse {
    return {
      name: tool,
      digest,
      status,
      path,
      version,
      catalog_id: catalogId,
      definition,
      seen_at: new Date(seenAt).toISOString(),
      approved_at: timeOf(approvedAt),
      approved_by: approvedBy,
    };
  }
}

/** A page of definitions. */
export class McpToolDefinitionList {
  @ApiProperty({ type: () => McpToolDefinitionResponse, isArray: true })
  readonly items!: McpToolDefinitionResponse[];
}

/** What an import did about one tool. */
export class McpImportedTool {
  @ApiProperty({ example: 'forecast' })
  readonly name!: string;

  @ApiProperty({
    enum: IMPORT_OUTCOMES,
    enumName: 'McpImportOutcome',
    description:
      'imported: a new entry. unchanged: approved before. held: the definition waits for a review. refused: it cannot be an entry. missing: the server had it once.',
  })
  readonly outcome!: (typeof IMPORT_OUTCOMES)[number];

  @ApiProperty({ type: String, nullable: true, example: 'tools/weather/forecast' })
  readonly path!: string | null;

  @ApiProperty({ type: String, nullable: true, example: '1.0.0' })
  readonly version!: string | null;

  @ApiProperty({ type: String, nullable: true, pattern: '^[0-9]+$' })
  readonly catalog_id!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly digest!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Why it was refused, or why no entry was made of what is held.' })
  readonly reason!: string | null;

  static from({ name, outcome, record, reason }: ImportedTool): McpImportedTool {
    const { path = null, version = null, catalogId = null, digest = null } = record ?? {};
    return { name, outcome, path, version, catalog_id: catalogId, digest, reason };
  }
}

/** What an import did. */
export class McpImport {
  @ApiProperty({ example: 'weather' })
  readonly server!: string;

  @ApiProperty({ type: () => McpImportedTool, isArray: true })
  readonly tools!: McpImportedTool[];

  static from(server: string, tools: readonly ImportedTool[]): McpImport {
    return { server, tools: tools.map((tool) => McpImportedTool.from(tool)) };
  }
}
