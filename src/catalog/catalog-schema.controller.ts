import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Caller } from '../common/caller.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { WARNING, warningHeader } from '../common/warning-header.js';
import { CatalogSchema } from './dto/catalog-schema.response.js';
import { ResolveCatalogQuery } from './dto/catalog.queries.js';
import { EntryDescriptions } from './entry-descriptions.js';
import { ENTRY_QUERY } from './entry-query.js';

/** What an entry takes and gives. */
@ApiTags('catalog')
@Controller('catalog/schema')
export class CatalogSchemaController {
  constructor(private readonly descriptions: EntryDescriptions) {}

  @Get()
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'getCatalogSchema', summary: 'The schemas of the parameters and of the result of an entry' })
  @ApiOkResponse({ type: CatalogSchema, headers: WARNING })
  async schema(
    @Caller() principal: Principal,
    @Query(ENTRY_QUERY) query: ResolveCatalogQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogSchema> {
    const described = await this.descriptions.describe(principal, query.path, query.version);
    if (described.warnings.length > 0) void reply.header('warning', warningHeader(described.warnings));
    return CatalogSchema.from(described);
  }
}
