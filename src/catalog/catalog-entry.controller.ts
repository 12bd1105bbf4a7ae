import { applyDecorators, Body, Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBody, ApiConflictResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Caller } from '../common/caller.js';
import { Policy, Produces } from '../common/policy.js';
import { type Principal, type Scope } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { CatalogService } from './catalog.service.js';
import { CatalogEntryResponse } from './dto/catalog-entry.response.js';
import { EntryStatusRequest } from './dto/catalog.requests.js';
import { EntryStatusService } from './entry-status.service.js';

const STATUS = new RequestPipe(EntryStatusRequest, { optional: true });

/** Policy and documentation of what changes whether an entry is in use. */
function ApiStatusChange(scope: Scope, operationId: string, summary: string): MethodDecorator {
  return applyDecorators(
    Policy(scope),
    HttpCode(200),
    ApiOperation({ operationId, summary }),
    ApiBody({ type: EntryStatusRequest, required: false }),
    ApiOkResponse({ type: CatalogEntryResponse }),
    ApiConflictResponse({ description: 'Its state forbids this.' }),
  );
}

/** One entry by its id: its text, and whether it is in use. */
@ApiTags('catalog')
@ApiParam({ name: 'catalog_id', example: '241817298272452608' })
@Controller('catalog/entries/:catalog_id')
export class CatalogEntryController {
  constructor(
    private readonly catalog: CatalogService,
    private readonly status: EntryStatusService,
  ) {}

  @Get()
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'getCatalogEntry', summary: 'One entry with its text' })
  @ApiOkResponse({ type: CatalogEntryResponse })
  async get(@Caller() principal: Principal, @Param('catalog_id') id: string): Promise<CatalogEntryResponse> {
    return CatalogEntryResponse.stored(await this.catalog.stored(principal.tenant, id));
  }

  @Get('content')
  @Policy('catalog:read')
  @Produces('application/yaml')
  @ApiOperation({ operationId: 'getCatalogEntryContent', summary: 'The text as registered' })
  @ApiOkResponse({
    content: { 'application/yaml': { schema: { type: 'string' } } },
    headers: { ETag: toldHeader('The digest of the text; it never changes.') },
  })
  async content(
    @Caller() principal: Principal,
    @Param('catalog_id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const { source, digest } = await this.catalog.stored(principal.tenant, id);
    void reply.type('application/yaml; charset=utf-8').header('etag', `"${digest}"`).header('x-content-type-options', 'nosniff');
    return source;
  }

  @Post('deprecate')
  @ApiStatusChange('catalog:edit', 'deprecateCatalogEntry', 'Choose the entry only where nothing else matches')
  async deprecate(
    @Caller() principal: Principal,
    @Param('catalog_id') id: string,
    @Body(STATUS) request: EntryStatusRequest,
  ): Promise<CatalogEntryResponse> {
    return CatalogEntryResponse.from(await this.status.change(principal, id, 'deprecated', request.reason ?? null));
  }

  @Post('yank')
  @ApiStatusChange('catalog:delete', 'yankCatalogEntry', 'Choose the entry only where its exact version is named')
  async yank(
    @Caller() principal: Principal,
    @Param('catalog_id') id: string,
    @Body(STATUS) request: EntryStatusRequest,
  ): Promise<CatalogEntryResponse> {
    return CatalogEntryResponse.from(await this.status.change(principal, id, 'yanked', request.reason ?? null));
  }

  @Post('restore')
  @ApiStatusChange('catalog:edit', 'restoreCatalogEntry', 'Take the entry back into use')
  async restore(
    @Caller() principal: Principal,
    @Param('catalog_id') id: string,
    @Body(STATUS) _request: EntryStatusRequest,
  ): Promise<CatalogEntryResponse> {
    return CatalogEntryResponse.from(await this.status.change(principal, id, 'active', null));
  }
}
