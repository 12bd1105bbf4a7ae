import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { EngineError } from '../engine/engine-error.js';
import { CredentialService, type CredentialWish } from './credential.service.js';
import { CREDENTIAL_NAME, CredentialQuery, CredentialRequest, ListCredentialsQuery } from './dto/credential.request.js';
import { Credential, CredentialList } from './dto/credential.response.js';

const SAVE = new RequestPipe(CredentialRequest);
const LIST = new RequestPipe(ListCredentialsQuery, { query: true });
const READ = new RequestPipe(CredentialQuery, { query: true });
const PARAM = { name: 'credential', description: 'Id or name.', schema: { type: 'string' } } as const;
const WHERE = { Location: toldHeader('Where the credential is read.') };
const NO_KEY = { status: 503, description: 'encryption_key_missing: the node has no key.' } as const;
const WRITE_ONLY = { status: 403, description: 'secrets_are_write_only: include_data=true was asked for.' } as const;

/** Credentials that playbooks refer to by name. Their data goes in and never comes out. */
@ApiTags('credentials')
@Controller('credentials')
export class CredentialsController {
  constructor(private readonly credentials: CredentialService) {}

  @Post()
  @HttpCode(201)
  @Policy('credentials:edit')
  @ApiOperation({
    operationId: 'saveCredential',
    summary: 'Store a credential',
    description: 'A name that exists gets a new version; executions use it from their next attempt on.',
  })
  @ApiCreatedResponse({ type: Credential, headers: WHERE, description: 'Stored.' })
  @ApiOkResponse({ type: Credential, headers: WHERE, description: 'The name existed: a new version.' })
  @ApiResponse(NO_KEY)
  async save(
    @Caller() principal: Principal,
    @Body(SAVE) request: CredentialRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Credential> {
    const { record, isNew } = await this.credentials.save(principal, wishOf(request));
    void reply.code(isNew ? 201 : 200).header('location', `/credentials/${record.id}`);
    return Credential.from(record);
  }

  @Get()
  @Policy('credentials:use')
  @ApiOperation({ operationId: 'listCredentials', summary: 'List credentials in the order of their names, without their data' })
  @ApiOkResponse({ type: CredentialList })
  @ApiResponse(WRITE_ONLY)
  @ApiResponse(NO_KEY)
  async list(
    @Caller() principal: Principal,
    @Query(LIST) query: ListCredentialsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CredentialList> {
    refuseData(query);
    const after = query.cursor === undefined ? null : readCursor(query.cursor, (name) => CREDENTIAL_NAME.test(name));
    const filter = { type: query.type ?? null, text: query.q ?? null };
    const found = await this.credentials.list(principal, filter, after, query.limit + 1);
    const page = found.slice(0, query.limit);
    linkNextPage(reply, request.originalUrl, found.length > query.limit ? cursorOf(page.at(-1)!.name) : null);
    return CredentialList.from(page, filter);
  }

  @Get(':credential')
  @Policy('credentials:use')
  @ApiOperation({ operationId: 'getCredential', summary: 'One credential, without its data' })
  @ApiParam(PARAM)
  @ApiOkResponse({ type: Credential })
  @ApiResponse(WRITE_ONLY)
  @ApiResponse(NO_KEY)
  async get(
    @Caller() principal: Principal,
    @Param('credential') idOrName: string,
    @Query(READ) query: CredentialQuery,
  ): Promise<Credential> {
    refuseData(query);
    return Credential.from(await this.credentials.get(principal, idOrName));
  }

  @Put(':credential')
  @Policy('credentials:edit')
  @ApiOperation({
    operationId: 'replaceCredential',
    summary: 'A new version of a credential',
    description: 'Everything is replaced but the name.',
  })
  @ApiParam(PARAM)
  @ApiOkResponse({ type: Credential })
  @ApiResponse(NO_KEY)
  async replace(
    @Caller() principal: Principal,
    @Param('credential') idOrName: string,
    @Body(SAVE) request: CredentialRequest,
  ): Promise<Credential> {
    return Credential.from(await this.credentials.replace(principal, idOrName, wishOf(request)));
  }

  @Delete(':credential')
  @HttpCode(204)
  @Policy('credentials:edit')
  @ApiOperation({ operationId: 'deleteCredential', summary: 'Delete a credential', description: 'Steps that name it fail from then on.' })
  @ApiParam(PARAM)
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiResponse(NO_KEY)
  async remove(@Caller() principal: Principal, @Param('credential') idOrName: string): Promise<void> {
    await this.credentials.remove(principal, idOrName);
  }
}

function wishOf({ name, type, data, meta, tags, description }: CredentialRequest): CredentialWish {
  return { name, type, data, meta, tags, description: description ?? null };
}

function refuseData({ include_data }: CredentialQuery): void {
  if (include_data) throw new EngineError('forbidden', 'secrets_are_write_only', 'The data of credentials is never given out.');
}
