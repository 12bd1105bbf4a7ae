import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiConflictResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiPreconditionFailedResponse,
  ApiTags,
} from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { CatalogTagList, CatalogTagResponse } from './dto/catalog-tag.responses.js';
import { CatalogPathQuery, ListCatalogTagsQuery } from './dto/catalog.queries.js';
import { PutCatalogTagRequest } from './dto/catalog.requests.js';
import { conditionOf } from './entry-headers.js';
import { MOVES_TAGS, TagService } from './tag.service.js';

const LIST = new RequestPipe(ListCatalogTagsQuery, { query: true });
const PATH = new RequestPipe(CatalogPathQuery, { query: true });
const PUT = new RequestPipe(PutCatalogTagRequest);
const IF_MATCH = {
  name: 'if-match',
  required: false,
  description: 'ETag of the tag as the caller knows it: 412 where it was moved since.',
};

/** Movable names of versions, such as prod. */
@ApiTags('catalog')
@Controller('catalog/tags')
export class CatalogTagController {
  constructor(private readonly tags: TagService) {}

  @Get()
  @Policy('catalog:read')
  @ApiOperation({ operationId: 'listCatalogTags', summary: 'The tags of a path and the history of their moves' })
  @ApiOkResponse({ type: CatalogTagList })
  async list(
    @Caller() principal: Principal,
    @Query(LIST) query: ListCatalogTagsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogTagList> {
    const before = query.cursor === undefined ? null : readCursor(query.cursor);
    const found = await this.tags.history(principal, query.path, query.limit + 1, before);
    const moves = found.moves.slice(0, query.limit);
    const last = moves.at(-1);
    linkNextPage(reply, request.originalUrl, last && found.moves.length > moves.length ? cursorOf(last.id) : null);
    return CatalogTagList.from({ ...found, moves });
  }

  @Put(':tag')
  @Policy(MOVES_TAGS)
  @ApiParam({ name: 'tag', example: 'prod' })
  @ApiHeader(IF_MATCH)
  @ApiOperation({ operationId: 'putCatalogTag', summary: 'Point a tag at a version' })
  @ApiOkResponse({ type: CatalogTagResponse, headers: { ETag: toldHeader('For If-Match; also in the answer.') } })
  @ApiConflictResponse({ description: 'The version is yanked.' })
  @ApiPreconditionFailedResponse({ description: 'The tag was moved since, or is gone.' })
  async put(
    @Caller() principal: Principal,
    @Param('tag') tag: string,
    @Query(PATH) query: CatalogPathQuery,
    @Headers('if-match') ifMatch: string | undefined,
    @Body(PUT) request: PutCatalogTagRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CatalogTagResponse> {
    const answer = CatalogTagResponse.from(await this.tags.put(principal, query.path, tag, request.version, conditionOf(ifMatch)));
    void reply.header('etag', answer.etag);
    return answer;
  }

  @Delete(':tag')
  @HttpCode(204)
  @Policy(MOVES_TAGS)
  @ApiParam({ name: 'tag', example: 'prod' })
  @ApiHeader(IF_MATCH)
  @ApiOperation({ operationId: 'deleteCatalogTag', summary: 'Remove a tag' })
  @ApiNoContentResponse()
  @ApiPreconditionFailedResponse({ description: 'The tag was moved since, or is gone.' })
  async delete(
    @Caller() principal: Principal,
    @Param('tag') tag: string,
    @Query(PATH) query: CatalogPathQuery,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.tags.delete(principal, query.path, tag, conditionOf(ifMatch));
  }
}
