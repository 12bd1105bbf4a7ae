import { applyDecorators, Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOkResponse, ApiOperation, ApiParam, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { prefers } from '../common/media-type.js';
import { cursorOf, linkNextPage } from '../common/paging.js';
import { Policy, Produces } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { EngineError } from '../engine/engine-error.js';
import { LiveMessages } from '../storage/live-messages.js';
import { type EventPlace } from '../storage/repositories/execution-event.repository.js';
import { type ExecutionEvent, ExecutionEventPage } from './dto/execution-event.js';
import { ListEventsQuery } from './dto/execution-queries.js';
import { streamEvents } from './event-stream.js';
import { eventTypesOf } from './event-view.js';
import { isSeq, seqOf } from './status.controller.js';
import { StatusService } from './status.service.js';
import { StreamPlaces } from './stream-places.js';

const EVENTS = new RequestPipe(ListEventsQuery, { query: true });

/** Position in a history, as far as one can be. */
const SEQ = /^[1-9]\d{0,8}$/;

/** Policy and documentation of the routes that values above 256 KiB are referred to by. */
function ApiEventValue(operationId: string, summary: string): MethodDecorator {
  return applyDecorators(
    Policy('executions:read'),
    ApiOperation({ operationId, summary }),
    ApiParam({ name: 'seq', schema: { type: 'string', pattern: SEQ.source } }),
    ApiOkResponse({ description: 'Any JSON value; null where the event has none.', schema: {} }),
  );
}

/** The history of an execution: pages, or a live stream that resumes. */
@ApiTags('executions')
@ApiExtraModels(ExecutionEventPage)
@Controller('executions')
export class EventsController {
  constructor(
    private readonly status: StatusService,
    private readonly live: LiveMessages,
    private readonly places: StreamPlaces,
  ) {}

  @Get(':execution_id/events')
  @Policy('executions:read')
  @Produces('application/json', 'text/event-stream')
  @ApiOperation({
    operationId: 'listExecutionEvents',
    summary: 'The history, oldest first, as pages or as a stream',
    description:
      'A page has fewer than `limit` events where they are large (about 4 MiB); `next_cursor` says whether there are more. With `Accept: text/event-stream` the events so far and all that follow, to the terminal event, of the types that `event_type` names; `Last-Event-ID` resumes after that seq. Messages `model_token`, without an id, are tokens of a model as they come, of this execution and of those it calls (`execution_id` says which): never stored, seen only on the node that runs it. A tenant that has as many streams open as it may is answered 429.',
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
    const after = query.cursor === undefined ? query.after : seqOf(query.cursor);
    const types = eventTypesOf(query.event_type);
    if (accept !== undefined && prefers(accept, 'text/event-stream', 'application/json'))
      return this.stream(principal, id, { after: lastEventId === undefined ? after : lastSeqOf(lastEventId), types }, reply);
    const { events, next } = await this.status.events(principal, id, { after, limit: query.limit, types });
    const cursor = next === null ? null : cursorOf(String(next));
    linkNextPage(reply, request.originalUrl, cursor);
    await reply.send({ events, next_cursor: cursor });
  }

  @Get(':execution_id/events/:seq/result')
  @ApiEventValue('getEventResult', 'The value of one event, of any size')
  result(
    @Caller() principal: Principal,
    @Param('execution_id') id: string,
    @Param('seq') seq: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.value(principal, id, seq, 'result', reply);
  }

  @Get(':execution_id/events/:seq/raw')
  @ApiEventValue('getEventRawValue', 'The value of one event before `result:` projected it, of any size')
  raw(
    @Caller() principal: Principal,
    @Param('execution_id') id: string,
    @Param('seq') seq: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.value(principal, id, seq, 'raw', reply);
  }

  @Get(':execution_id/events/:seq/inputs')
  @ApiEventValue('getEventInputs', 'The inputs of one event, of any size')
  inputs(
    @Caller() principal: Principal,
    @Param('execution_id') id: string,
    @Param('seq') seq: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.value(principal, id, seq, 'inputs', reply);
  }

  private async value(principal: Principal, id: string, seq: string, place: EventPlace, reply: FastifyReply): Promise<void> {
    if (!SEQ.test(seq)) throw new EngineError('not_found', 'not_found', 'There is no such event.');
    // Sent as the text it is stored as: nothing here needs the value.
    await reply.type('application/json; charset=utf-8').send(await this.status.eventValue(principal, id, Number(seq), place));
  }

  private async stream(
    principal: Principal,
    id: string,
    asked: { readonly after: number; readonly types: readonly string[] },
    reply: FastifyReply,
  ): Promise<void> {
    const record = await this.status.record(principal, id); // a 404 is still an ordinary answer
    // Who has left meanwhile is told nothing, and its close was told of already.
    if (reply.raw.destroyed) return void reply.hijack();
    const giveBack = this.places.take(principal.tenant);
    const gone = new AbortController();
    reply.raw.once('close', () => {
      gone.abort();
      giveBack();
    });
    // What the door has set belongs to streams, too.
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value);
    reply.hijack();
    const events = ofTypes(this.status.follow(record, asked.after, gone.signal), asked.types);
    await streamEvents(reply.raw, events, (listener) => this.live.follow(id, listener));
  }
}

/** The events of these types; all where none are named. */
async function* ofTypes(
  chunks: AsyncIterable<readonly ExecutionEvent[]>,
  types: readonly string[],
): AsyncGenerator<readonly ExecutionEvent[]> {
  for await (const events of chunks) yield types.length === 0 ? events : events.filter(({ event_type }) => types.includes(event_type));
}

function lastSeqOf(header: string): number {
  if (!isSeq(header)) throw new EngineError('unreadable', 'invalid_header', 'Last-Event-ID must be the seq of an event.');
  return Number(header);
}
