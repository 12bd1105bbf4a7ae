import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { IdPipe } from '../common/id-pipe.js';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { NoBody } from '../common/no-body.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { BulkService } from './bulk.service.js';
import { BulkOperationRequest, ListBulkOperationsQuery } from './dto/bulk-operation.request.js';
import { BulkOperation, BulkOperationCount } from './dto/bulk-operation.response.js';

const CREATE = new RequestPipe(BulkOperationRequest);
const LIST = new RequestPipe(ListBulkOperationsQuery, { query: true });
const OPERATION_ID = new IdPipe('unknown_bulk_operation', 'bulk operation');
const ID_PARAM = { name: 'operation_id', schema: { type: 'string', pattern: '^[0-9]+$' } } as const;

/** One wish about many executions, as a resource with progress. */
@ApiTags('bulk operations')
@ApiExtraModels(BulkOperationCount)
@Controller('bulk-operations')
export class BulkOperationsController {
  constructor(private readonly operations: BulkService) {}

  @Post()
  @HttpCode(202)
  @Policy('executions:control')
  @ApiOperation({
    operationId: 'createBulkOperation',
    summary: 'Ask the same of all executions that a filter chooses',
    description:
      'About the executions there are now; later ones are not meant. The oldest come first. It goes on to its end on any node, and rerun starts each execution again exactly once.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'The same key with the same body is the same operation. Another body is refused.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' },
  })
  @ApiResponse({
    status: 202,
    type: BulkOperation,
    description: 'Accepted; it goes on.',
    headers: {
      Location: toldHeader('Where the operation is read.'),
      'Idempotency-Replayed': toldHeader('true where the Idempotency-Key named an operation of before.'),
    },
  })
  @ApiResponse({ status: 200, description: 'A dry run.', schema: { $ref: getSchemaPath(BulkOperationCount) } })
  @ApiResponse({ status: 403, description: 'To rerun, the scope executions:start is needed too.' })
  async create(
    @Caller() principal: Principal,
    @Body(CREATE) { action, filter, dry_run, reason }: BulkOperationRequest,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BulkOperation | BulkOperationCount> {
    const wish = { action, filter, reason: reason ?? null };
    if (dry_run) {
      void reply.code(200);
      return { action, filter, dry_run, count: await this.operations.count(principal, wish) };
    }
    const { operation, replayed } = await this.operations.create(principal, wish, http.idempotency ?? null);
    if (replayed) void reply.header('idempotency-replayed', 'true');
    void reply.header('location', `/bulk-operations/${operation.id}`);
    return BulkOperation.from(operation);
  }

  @Get()
  @Policy('executions:read')
  @ApiOperation({
    operationId: 'listBulkOperations',
    summary: 'List bulk operations, newest first',
    description:
      'A bare array. `Link: rel="next"` and `X-Next-Cursor` lead to the next page, which also begins where the rows of this one came to 4 MiB.',
  })
  @ApiOkResponse({ type: BulkOperation, isArray: true })
  async list(
    @Caller() principal: Principal,
    @Query(LIST) query: ListBulkOperationsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BulkOperation[]> {
    const before = query.cursor === undefined ? null : readCursor(query.cursor);
    const { items, more } = await this.operations.list(principal, { before, limit: query.limit });
    linkNextPage(reply, request.originalUrl, more ? cursorOf(items.at(-1)!.id) : null);
    return items.map((operation) => BulkOperation.from(operation));
  }

  @Get(':operation_id')
  @Policy('executions:read')
  @ApiOperation({ operationId: 'getBulkOperation', summary: 'One bulk operation and how far it has come' })
  @ApiParam(ID_PARAM)
  @ApiOkResponse({ type: BulkOperation })
  async get(@Caller() principal: Principal, @Param('operation_id', OPERATION_ID) id: string): Promise<BulkOperation> {
    return BulkOperation.from(await this.operations.get(principal, id));
  }

  @Post(':operation_id/abort')
  @NoBody()
  @HttpCode(200)
  @Policy('executions:control')
  @ApiOperation({
    operationId: 'abortBulkOperation',
    summary: 'Stop a bulk operation',
    description: 'What was treated stays so; the few that are being treated just now are still counted.',
  })
  @ApiParam(ID_PARAM)
  @ApiOkResponse({ type: BulkOperation })
  @ApiResponse({ status: 409, description: 'It has ended otherwise.' })
  async abort(@Caller() principal: Principal, @Param('operation_id', OPERATION_ID) id: string): Promise<BulkOperation> {
    return BulkOperation.from(await this.operations.abort(principal, id));
  }
}
