import { Body, Controller, Delete, Get, HttpCode, Param, Put, Query, Req, Res } from '@nestjs/common';
import { ApiConflictResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { CatalogListing } from './catalog-listing.js';
import { CatalogService } from './catalog.service.js';
import { CatalogEntryResponse } from './dto/catalog-entry.response.js';
import { PlaybookContentQuery, SearchCatalogQuery } from './dto/catalog.queries.js';
import { PutPlaybookContentRequest } from './dto/catalog.requests.js';
import { PlaybookContent, PlaybookListItem, RegisterCatalogEntryResponse } from './dto/catalog.responses.js';
import { EntryStatusService } from './entry-status.service.js';
import { RegistrationService } from './registration.service.js';
import { type StoredEntry } from '../storage/repositories/playbook.repository.js';

const SEARCH = new RequestPipe(SearchCatalogQuery, { query: true });
const PLAYBOOK = new RequestPipe(PlaybookContentQuery, { query: true });
const PUT = new RequestPipe(PutPlaybookContentRequest);

/** Routes of earlier clients, in their words. */
@ApiTags('catalog (earlier clients)')
@Controller()
export class PlaybookController {
  constructor(
    private readonly catalog: CatalogService,
    private readonly listing: CatalogListing,
    private readonly registration: RegistrationService,
    private readonly status: EntryStatusService,
  ) {}

  @Get('catalog/playbooks')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'listCatalogPlaybooks', summary: 'List playbooks, as a bare array', deprecated: true })
  @ApiOkResponse({ type: PlaybookListItem, isArray: true })
  async list(
    @Caller() principal: Principal,
    @Query(SEARCH) query: SearchCatalogQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlaybookListItem[]> {
    return this.page(principal, query, request, reply);
  }

  @Get('playbooks')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'listPlaybooks', summary: 'List playbooks, as a bare array', deprecated: true })
  @ApiOkResponse({ type: PlaybookListItem, isArray: true })
  async listShort(
    @Caller() principal: Principal,
    @Query(SEARCH) query: SearchCatalogQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlaybookListItem[]> {
    return this.page(principal, query, request, reply);
  }

  @Get('catalog/playbooks/search')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'searchCatalogPlaybooks', summary: 'Search playbooks, as a bare array', deprecated: true })
  @ApiOkResponse({ type: PlaybookListItem, isArray: true })
  async search(
    @Caller() principal: Principal,
    @Query(SEARCH) query: SearchCatalogQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlaybookListItem[]> {
    return this.page(principal, query, request, reply);
  }

  @Delete('catalog/playbooks/:catalog_id')
  @HttpCode(204)
  @Policy('catalog:delete')
  @ApiParam({ name: 'catalog_id', example: '241817298272452608' })
  @ApiOperation({ operationId: 'deleteCatalogPlaybook', summary: 'Yank an entry', deprecated: true })
  @ApiNoContentResponse()
  async delete(@Caller() principal: Principal, @Param('catalog_id') id: string): Promise<void> {
    await this.status.change(principal, id, 'yanked', null);
  }

  @Get('catalog/playbook')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'getCatalogPlaybook', summary: 'One playbook with its text', deprecated: true })
  @ApiOkResponse({ type: CatalogEntryResponse })
  async get(@Caller() principal: Principal, @Query(PLAYBOOK) query: PlaybookContentQuery): Promise<CatalogEntryResponse> {
    return CatalogEntryResponse.stored(await this.named(principal, query));
  }

  @Get('catalog/playbook/content')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'getPlaybookContent', summary: 'The text of a playbook', deprecated: true })
  @ApiOkResponse({ type: PlaybookContent })
  async content(@Caller() principal: Principal, @Query(PLAYBOOK) query: PlaybookContentQuery): Promise<PlaybookContent> {
    return PlaybookContent.from(await this.named(principal, query));
  }

  @Put('catalog/playbook/content')
  @Policy('catalog:register')
  @ApiOperation({ operationId: 'putPlaybookContent', summary: 'Register the next text of a playbook', deprecated: true })
  @ApiOkResponse({ type: RegisterCatalogEntryResponse })
  @ApiConflictResponse({ description: 'The version is registered with another text.' })
  async putContent(
    @Caller() principal: Principal,
    @Query(PLAYBOOK) query: PlaybookContentQuery,
    @Body(PUT) request: PutPlaybookContentRequest,
  ): Promise<RegisterCatalogEntryResponse> {
    const { path } = await this.named(principal, query);
    const command = { content: request.content, version: null, tags: [], strict: false, path };
    return RegisterCatalogEntryResponse.from(await this.registration.register(principal, command));
  }

  private async page(
    principal: Principal,
    query: SearchCatalogQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<PlaybookListItem[]> {
    const entries = await this.listing.page(
      principal,
      { ...query, kind: query.kind ?? 'playbook', text: query.q },
      request.originalUrl,
      reply,
    );
    return entries.map((entry) => PlaybookListItem.from(entry));
  }

  private async named(principal: Principal, query: PlaybookContentQuery): Promise<StoredEntry> {
    const { entry } = await this.catalog.resolve(principal.tenant, { style: 'id', id: query.playbook_id, version: query.version ?? null });
    return this.catalog.stored(principal.tenant, entry.id);
  }
}
