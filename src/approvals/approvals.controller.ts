import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { IdPipe, isId } from '../common/id-pipe.js';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { ApprovalsService } from './approvals.service.js';
import { ApprovalDecisionRequest, ListApprovalsQuery } from './dto/approval.request.js';
import { Approval } from './dto/approval.response.js';

const LIST = new RequestPipe(ListApprovalsQuery, { query: true });
const DECISION = new RequestPipe(ApprovalDecisionRequest);
const APPROVAL_ID = new IdPipe('unknown_approval', 'approval');
const ID_PARAM = { name: 'approval_id', schema: { type: 'string', pattern: '^[0-9]+$' } } as const;
const NO_SCOPE = { status: 403, description: 'The scope approvals:read is needed.' } as const;

/** What executions wait for that people have to decide. */
@ApiTags('approvals')
@Controller('approvals')
export class ApprovalsController {
  constructor(private readonly approvals: ApprovalsService) {}

  @Get()
  @Policy('approvals:read')
  @ApiOperation({
    operationId: 'listApprovals',
    summary: 'List approvals, newest first',
    description:
      'A bare array. `Link: rel="next"` and `X-Next-Cursor` lead to the next page, which also begins where the rows of this one came to 4 MiB.',
  })
  @ApiOkResponse({ type: Approval, isArray: true })
  @ApiResponse(NO_SCOPE)
  async list(
    @Caller() principal: Principal,
    @Query(LIST) query: ListApprovalsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Approval[]> {
    const { state = null, execution_id: executionId = null, path = null, mine, limit } = query;
    const before = query.cursor === undefined ? null : readCursor(query.cursor, isId);
    // What is no id has no approvals.
    if (executionId !== null && !isId(executionId)) return [];
    const { items, more } = await this.approvals.list(principal, { state, executionId, path, mine }, { before, limit });
    linkNextPage(reply, request.originalUrl, more ? cursorOf(items.at(-1)!.id) : null);
    return items.map((record) => Approval.from(record));
  }

  @Post(':approval_id')
  @HttpCode(200)
  @Policy('approvals:decide')
  @ApiOperation({
    operationId: 'decideApproval',
    summary: 'Approve or reject',
    description:
      'Each principal decides once. The answer says what the approval is then: approved once as many have approved as its quorum says, rejected by the first rejection; the execution hears of it and goes on.',
  })
  @ApiParam(ID_PARAM)
  @ApiBody({ type: ApprovalDecisionRequest })
  @ApiOkResponse({ type: Approval, description: 'The decision is stored.' })
  @ApiResponse({ status: 403, description: 'approval_not_allowed: the caller is none of the approvers, or started the execution.' })
  @ApiResponse({
    status: 409,
    description: 'approval_already_decided: by the caller before, or it is closed. approval_expired: its time is over.',
  })
  async decide(
    @Caller() principal: Principal,
    @Param('approval_id', APPROVAL_ID) id: string,
    @Body(DECISION) request: ApprovalDecisionRequest,
  ): Promise<Approval> {
    const { decision, comment, data } = request;
    return Approval.from(await this.approvals.decide(principal, id, { decision, comment: comment ?? null, data: data ?? null }));
  }

  @Get(':approval_id')
  @Policy('approvals:read')
  @ApiOperation({ operationId: 'getApproval', summary: 'One approval, with the decisions so far' })
  @ApiParam(ID_PARAM)
  @ApiOkResponse({ type: Approval })
  @ApiResponse(NO_SCOPE)
  async get(@Caller() principal: Principal, @Param('approval_id', APPROVAL_ID) id: string): Promise<Approval> {
    return Approval.from(await this.approvals.get(principal, id));
  }
}
