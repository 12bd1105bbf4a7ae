import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { ResolveCatalogQuery } from '../catalog/dto/catalog.queries.js';
import { EntryDescriptions } from '../catalog/entry-descriptions.js';
import { ENTRY_QUERY } from '../catalog/entry-query.js';
import { Caller } from '../common/caller.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { WARNING, warningHeader } from '../common/warning-header.js';
import { type JsonObject } from '../engine/values.js';
import { OpenApiDescription } from './dto/open-api-description.js';
import { openApiOf } from './entry-open-api.js';

/** How one entry is executed, for generators of clients. */
@ApiTags('catalog')
@Controller('catalog/openapi.json')
export class EntryOpenApiController {
  constructor(private readonly descriptions: EntryDescriptions) {}

  @Get()
  @Policy('catalog:read')
  @ApiOperation({
    operationId: 'getCatalogOpenApi',
    summary: 'An OpenAPI document of one entry, in which its parameters and its result are types',
  })
  @ApiOkResponse({ type: OpenApiDescription, headers: WARNING })
  async document(
    @Caller() principal: Principal,
    @Query(ENTRY_QUERY) query: ResolveCatalogQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const described = await this.descriptions.describe(principal, query.path, query.version);
    if (described.warnings.length > 0) void reply.header('warning', warningHeader(described.warnings));
    return openApiOf(described);
  }
}
