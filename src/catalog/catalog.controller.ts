import { Body, Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConflictResponse, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Authentication } from '../common/authentication.js';
import { Caller } from '../common/caller.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { WARNING, warningHeader } from '../common/warning-header.js';
import { CatalogListing } from './catalog-listing.js';
import { CatalogService } from './catalog.service.js';
import { CatalogEntryList, CatalogEntryResponse } from './dto/catalog-entry.response.js';
import {
  CatalogPathQuery,
  CatalogResourceQuery,
  ListCatalogQuery,
  ResolveCatalogQuery,
  SearchCatalogQuery,
} from './dto/catalog.queries.js';
import {
  REGISTER_EXAMPLE,
  RegisterCatalogEntryQuery,
  RegisterCatalogEntryRequest,
  ValidatePlaybookRequest,
} from './dto/catalog.requests.js';
import { CatalogResolution, CatalogVersionList, PlaybookValidation, RegisterCatalogEntryResponse } from './dto/catalog.responses.js';
import { RegistrationService } from './registration.service.js';
import { contentOf, refuseOtherKinds } from './request-content.js';
import { MOVES_TAGS } from './tag.service.js';

const REGISTER = new RequestPipe(RegisterCatalogEntryRequest);
const REGISTER_QUERY = new RequestPipe(RegisterCatalogEntryQuery, { query: true });
const VALIDATE = new RequestPipe(ValidatePlaybookRequest);
const LIST_QUERY = new RequestPipe(ListCatalogQuery, { query: true });
const LIST_BODY = new RequestPipe(ListCatalogQuery, { optional: true });
const SEARCH = new RequestPipe(SearchCatalogQuery, { query: true });
const PATH = new RequestPipe(CatalogPathQuery, { query: true });
const RESOLVE = new RequestPipe(ResolveCatalogQuery, { query: true });
const RESOURCE_QUERY = new RequestPipe(CatalogResourceQuery, { query: true });
const RESOURCE_BODY = new RequestPipe(CatalogResourceQuery);

/** Registering, finding and reading entries. */
@ApiTags('catalog')
@Controller('catalog')
export class CatalogController {
  constructor(
    private readonly registration: RegistrationService,
    private readonly catalog: CatalogService,
    private readonly listing: CatalogListing,
    private readonly authentication: Authentication,
  ) {}

  @Post('register')
  @Policy('catalog:register')
  @ApiOperation({
    operationId: 'registerCatalogEntry',
    summary: 'Register a document',
    description:
      '201 for a new entry, 200 for a text that is registered already. With tags the scope `catalog:edit` is needed as well, as for PUT /catalog/tags/{tag}.',
  })
  @ApiCreatedResponse({ type: RegisterCatalogEntryResponse })
  @ApiOkResponse({ type: RegisterCatalogEntryResponse })
  @ApiBody({ type: RegisterCatalogEntryRequest, examples: { document: { value: REGISTER_EXAMPLE } } })
  @ApiConflictResponse({ description: 'The version is registered with another text, or tags were sent for an entry that is yanked.' })
  async register(
    @Caller() principal: Principal,
    @Query(REGISTER_QUERY) query: RegisterCatalogEntryQuery,
    @Body(REGISTER) request: RegisterCatalogEntryRequest,
    @Req() { demand }: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RegisterCatalogEntryResponse> {
    const { version = null, tags, strict } = request;
    if (tags.length > 0 && !principal.scopes.has(MOVES_TAGS)) throw this.authentication.lacking(demand, MOVES_TAGS, [MOVES_TAGS]);
    refuseOtherKinds(request.resource_type, query.resource_type);
    const registered = await this.registration.register(principal, { content: contentOf(request), version, tags, strict });
    void reply.status(registered.created ? 201 : 200);
    return RegisterCatalogEntryResponse.from(registered);
  }

  @Post('playbooks/validate')
  @HttpCode(200)
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'validatePlaybook', summary: 'Check a document without registering it' })
  @ApiOkResponse({ type: PlaybookValidation })
  async validate(@Body(VALIDATE) request: ValidatePlaybookRequest): Promise<PlaybookValidation> {
    return PlaybookValidation.from(await this.registration.validate(request.content, request.strict));
  }

  @Get('list')
  @Policy('catalog:read')
  @ApiOperation({
    operationId: 'listCatalog',
    summary: 'List the catalog',
    description: 'One entry per path, the latest. `Link: rel="next"` and `X-Next-Cursor` lead on.',
  })
  @ApiOkResponse({ type: CatalogEntryList })
  async list(
    @Caller() principal: Principal,
    @Query(LIST_QUERY) query: ListCatalogQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogEntryList> {
    return CatalogEntryList.from(await this.listing.page(principal, { kind: query.resource_type, ...query }, request.originalUrl, reply));
  }

  @Post('list')
  @HttpCode(200)
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'listCatalogByPost', summary: 'List the catalog, for clients that post', deprecated: true })
  @ApiBody({ type: ListCatalogQuery, required: false })
  @ApiOkResponse({ type: CatalogEntryList })
  async listByPost(
    @Caller() principal: Principal,
    @Body(LIST_BODY) body: ListCatalogQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogEntryList> {
    const asked = new URLSearchParams(Object.entries(body).map(([name, value]): [string, string] => [name, String(value)]));
    const url = `${request.originalUrl.split('?', 1)[0]}?${asked.toString()}`;
    return CatalogEntryList.from(await this.listing.page(principal, { kind: body.resource_type, ...body }, url, reply));
  }

  @Get('search')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'searchCatalog', summary: 'Search paths, names and descriptions' })
  @ApiOkResponse({ type: CatalogEntryList })
  async search(
    @Caller() principal: Principal,
    @Query(SEARCH) query: SearchCatalogQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogEntryList> {
    return CatalogEntryList.from(await this.listing.page(principal, { text: query.q, ...query }, request.originalUrl, reply));
  }

  @Get('versions')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'listCatalogVersions', summary: 'Every version of a path' })
  @ApiOkResponse({ type: CatalogVersionList })
  async versions(@Caller() principal: Principal, @Query(PATH) query: CatalogPathQuery): Promise<CatalogVersionList> {
    return CatalogVersionList.from(await this.catalog.versions(principal.tenant, query.path));
  }

  @Get('resolve')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'resolveCatalogVersion', summary: 'Which version a request would get, and why' })
  @ApiOkResponse({ type: CatalogResolution })
  async resolve(@Caller() principal: Principal, @Query(RESOLVE) query: ResolveCatalogQuery): Promise<CatalogResolution> {
    return CatalogResolution.from(await this.catalog.explain(principal.tenant, query.path, query.version));
  }

  @Get('resource')
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'getCatalogResource', summary: 'One entry with its text; without a version the latest' })
  @ApiOkResponse({ type: CatalogEntryResponse, headers: WARNING })
  async resource(
    @Caller() principal: Principal,
    @Query(RESOURCE_QUERY) query: CatalogResourceQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogEntryResponse> {
    return this.resourceOf(principal, query, reply);
  }

  @Post('resource')
  @HttpCode(200)
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'getCatalogResourceByPost', summary: 'One entry with its text, for clients that post', deprecated: true })
  @ApiOkResponse({ type: CatalogEntryResponse, headers: WARNING })
  async resourceByPost(
    @Caller() principal: Principal,
    @Body(RESOURCE_BODY) body: CatalogResourceQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogEntryResponse> {
    return this.resourceOf(principal, body, reply);
  }

  private async resourceOf(principal: Principal, query: CatalogResourceQuery, reply: FastifyReply): Promise<CatalogEntryResponse> {
    const { entry, warnings } = await this.catalog.resolve(principal.tenant, {
      style: 'path',
      path: query.resource_path,
      version: query.version ?? null,
    });
    if (warnings.length > 0) void reply.header('warning', warningHeader(warnings));
    return CatalogEntryResponse.stored(await this.catalog.stored(principal.tenant, entry.id));
  }
}
