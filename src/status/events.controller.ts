import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { cursorOf, linkNextPage } from '../common/paging.js';
import { Policy, Produces } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { EngineError } from '../engine/engine-error.js';
import { ExecutionEventPage } from './dto/execution-event.js';
import { ListEventsQuery } from './dto/execution-queries.js';
import { streamEvents } from './event-stream.js';
import { eventTypesOf } from './event-view.js';
import { seqOf } from './status.controller.js';
import { StatusService } from './status.service.js';

const EVENTS = new RequestPipe(ListEventsQuery, { query: true });

/** The history of an execution: pages, or a live stream that resumes. */
@ApiTags('executions')
@ApiExtraModels(ExecutionEventPage)
@Controller('executions')
export class EventsController {
  constructor(private readonly status: StatusService) {}

  @Get(':execution_id/events')
  @Policy('executions:read')
  @Produces('application/json', 'text/event-stream')
  @ApiOperation({
    operationId: 'listExecutionEvents',
    summary: 'The history, oldest first, as pages or as a stream',
    description:
      'With `Accept: text/event-stream` the events so far and all that follow, to the terminal event; `Last-Event-ID` resumes after that seq.',
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'For streams: the seq to go on after.', schema: { type: 'string' } })
  @ApiOkResponse({
    description: 'A page, or the stream.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(ExecutionEventPage) } },
      'text/event-stream': { schema: { type: 'string', description: 'id: seq, event: event_type, data: an ExecutionEvent' } },
    },
  })
  async events(
    @Caller() principal: Principal,
    @Param('execution_id') id: string,
    @Query(EVENTS) query: ListEventsQuery,
    @Headers('accept') accept: string | undefined,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (accept?.includes('text/event-stream'))
      return this.stream(principal, id, lastEventId === undefined ? query.after : lastSeqOf(lastEventId), reply);
    const after = query.cursor === undefined ? query.after : seqOf(query.cursor);
    const { events, next } = await this.status.events(principal, id, { after, limit: query.limit, types: eventTypesOf(query.event_type) });
    const cursor = next === null ? null : cursorOf(String(next));
    linkNextPage(reply, request.originalUrl, cursor);
    await reply.send({ events, next_cursor: cursor });
  }

  private async stream(principal: Principal, id: string, after: number, reply: FastifyReply): Promise<void> {
    await this.status.record(principal, id); // a 404 is still an ordinary answer
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    reply.hijack();
    await streamEvents(reply.raw, this.status.follow(principal, id, after, gone.signal));
  }
}

function lastSeqOf(header: string): number {
  if (!/^\d{1,10}$/.test(header)) throw new EngineError('unreadable', 'invalid_header', 'Last-Event-ID must be the seq of an event.');
  return Number(header);
}
