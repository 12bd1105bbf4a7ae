import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { PREFER, waitOf } from '../common/wait.js';
import { ExecutionDetail, ExecutionProgress } from './dto/execution-detail.js';
import { GetExecutionQuery, ListExecutionsQuery, ListStepsQuery } from './dto/execution-queries.js';
import { ExecutionStatus } from './dto/execution-status.js';
import { ExecutionStepPage, ExecutionTree } from './dto/execution-step.js';
import { eventTypesOf } from './event-view.js';
import { filterOf } from './list-filter.js';
import { type EventQuery, StatusService } from './status.service.js';

const LIST = new RequestPipe(ListExecutionsQuery, { query: true });
const GET_ONE = new RequestPipe(GetExecutionQuery, { query: true });
const STEPS = new RequestPipe(ListStepsQuery, { query: true });
const DEFAULT_EVENT_PAGE = 100;
/** The largest seq that can be stored. */
const MAX_SEQ = 2_147_483_647;
const JSON_TYPE = 'application/json; charset=utf-8';

/** The read side of executions: lists, one, its small form, its result, steps and tree. */
@ApiTags('executions')
@Controller('executions')
export class StatusController {
  constructor(private readonly status: StatusService) {}

  @Get()
  @Policy('executions:read')
  @ApiOperation({
    operationId: 'listExecutions',
    summary: 'List executions, newest first',
    description:
      'A bare array. `Link: rel="next"` and `X-Next-Cursor` lead to the next page, which also begins where the rows of this one came to 4 MiB. Items have neither result nor parameters.',
  })
  @ApiOkResponse({ type: ExecutionStatus, isArray: true })
  async list(
    @Caller() principal: Principal,
    @Query(LIST) query: ListExecutionsQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const before = query.cursor === undefined ? null : readCursor(query.cursor);
    const { json, next } = await this.status.listJson(principal, filterOf(query), { before, offset: query.offset, limit: query.limit });
    linkNextPage(reply, request.originalUrl, next === null ? null : cursorOf(next));
    void reply.type(JSON_TYPE).send(json);
  }

  @Get(':execution_id')
  @Policy('executions:read')
  @ApiOperation({
    operationId: 'getExecution',
    summary: 'One execution with result and parameters',
    description:
      '`include=events` (or any of page, page_size, since_event_id, event_type) adds events, newest first; under /api that is the default. Of a page above 4 MiB the longer values of the older events are referred to, as values above 256 KiB are. `Prefer: wait=N` holds the answer until the end.',
  })
  @ApiHeader(PREFER)
  @ApiOkResponse({ type: ExecutionDetail, headers: { 'Preference-Applied': toldHeader('The wait that was granted.') } })
  async get(
    @Caller() principal: Principal,
    @Param('execution_id') id: string,
    @Query(GET_ONE) query: GetExecutionQuery,
    @Headers('prefer') prefer: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionDetail> {
    const waitMs = waitOf(prefer, query);
    if (waitMs !== null) {
      const granted = await this.status.waitForEnd(principal, id, waitMs);
      if (granted) void reply.header('preference-applied', `wait=${waitMs / 1000}`);
    }
    return this.status.detail(principal, id, eventsAskedFor(query, request.originalUrl.startsWith('/api/')));
  }

  @Get(':execution_id/status')
  @Policy('executions:read')
  @ApiOperation({ operationId: 'getExecutionProgress', summary: 'The small form of a status' })
  @ApiOkResponse({ type: ExecutionProgress })
  progress(@Caller() principal: Principal, @Param('execution_id') id: string): Promise<ExecutionProgress> {
    return this.status.progress(principal, id);
  }

  @Get(':execution_id/result')
  @Policy('executions:read')
  @ApiOperation({ operationId: 'getExecutionResult', summary: 'The result alone, of any size' })
  @ApiOkResponse({ description: 'Any JSON value; null until the end.', schema: {} })
  async result(@Caller() principal: Principal, @Param('execution_id') id: string, @Res() reply: FastifyReply): Promise<void> {
    // A framework would send a bare text as text/plain.
    await reply.type(JSON_TYPE).send(await this.status.resultText(principal, id));
  }

  @Get(':execution_id/steps')
  @Policy('executions:read')
  @ApiOperation({
    operationId: 'listExecutionSteps',
    summary: 'The steps of an execution, one entry per step and wave',
    description: 'A page has fewer than `limit` steps where they are large (about 4 MiB); `next_cursor` says whether there are more.',
  })
  @ApiOkResponse({ type: ExecutionStepPage })
  async steps(
    @Caller() principal: Principal,
    @Param('execution_id') id: string,
    @Query(STEPS) query: ListStepsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStepPage> {
    const after = query.cursor === undefined ? 0 : seqOf(query.cursor);
    const { steps, next } = await this.status.steps(principal, id, { after, limit: query.limit });
    const cursor = next === null ? null : cursorOf(String(next));
    linkNextPage(reply, request.originalUrl, cursor);
    return { steps, next_cursor: cursor };
  }

  @Get(':execution_id/tree')
  @Policy('executions:read')
  @ApiOperation({ operationId: 'getExecutionTree', summary: 'The execution with its children, 1,000 at most' })
  @ApiOkResponse({ type: ExecutionTree })
  tree(@Caller() principal: Principal, @Param('execution_id') id: string): Promise<ExecutionTree> {
    return this.status.tree(principal, id);
  }
}

/** The seq inside a cursor. */
export function seqOf(cursor: string): number {
  return Number(readCursor(cursor, isSeq));
}

/** Whether a text says after which event of a history to go on. */
export function isSeq(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_SEQ;
}

function eventsAskedFor(query: GetExecutionQuery, byDefault: boolean): EventQuery | null {
  const { include, page, page_size, since_event_id, event_type } = query;
  const named = (include ?? '').split(',').some((word) => word.trim() === 'events');
  const implied = page !== undefined || page_size !== undefined || since_event_id !== undefined || event_type !== undefined;
  if (!named && !implied && !byDefault) return null;
  const since = Number(since_event_id?.split('-').at(-1) ?? 0);
  return {
    page: page ?? 1,
    pageSize: page_size ?? DEFAULT_EVENT_PAGE,
    after: Number.isInteger(since) && since < 2 ** 31 ? since : 0,
    types: eventTypesOf(event_type),
  };
}
