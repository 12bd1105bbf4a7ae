import { Body, Controller, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { type Principal } from '../common/principal.js';
import { toldHeader } from '../common/told-header.js';
import { ExecutionStatus } from '../status/dto/execution-status.js';
import { ApiStart } from './api-start.js';
import { EXECUTION_STATUS_EXAMPLE, REQUEST_EXAMPLES } from './dto/examples.js';
import { ExecutionByIdRequest } from './dto/execution-by-id.request.js';
import { ExecutionService } from './execution.service.js';
import { RUN_REQUEST } from './request-pipes.js';
import { answerStart } from './start-answer.js';
import { askedBy, startRunById } from './start-command.js';

/** When `POST /execute` became the recommended way (RFC 9745); this one works for ever. */
const DEPRECATED_SINCE = '@1760140800';
const SUCCESSOR = '</execute>; rel="successor-version"';
const LEGACY_HEADERS = {
  Deprecation: toldHeader('This style is legacy; it works for ever.'),
  Link: toldHeader('rel="successor-version": POST /execute.'),
} as const;

/** The legacy style: by id, the most recently registered version. */
@ApiTags('executions')
@Controller('executions')
export class RunController {
  constructor(private readonly executions: ExecutionService) {}

  @Post('run')
  @ApiStart(
    {
      operationId: 'runExecution',
      summary: 'Start an execution by playbook id (legacy, simple mode)',
      description: 'Direct execution using a playbook identifier. New clients use POST /execute.',
      deprecated: true,
    },
    ExecutionStatus,
    EXECUTION_STATUS_EXAMPLE,
    LEGACY_HEADERS,
  )
  @ApiBody({ type: ExecutionByIdRequest, examples: { by_id: { value: REQUEST_EXAMPLES.byId } } })
  async run(
    @Caller() principal: Principal,
    @Body(RUN_REQUEST) request: ExecutionByIdRequest,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    void reply.header('deprecation', DEPRECATED_SINCE).header('link', SUCCESSOR);
    return answerStart(reply, await this.executions.start(startRunById(principal, request, askedBy(http))));
  }
}
