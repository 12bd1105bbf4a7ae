import { Body, Controller, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiParam, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { EXECUTION_ID } from '../common/id-pipe.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { ExecutionStatus } from '../status/dto/execution-status.js';
import { ApiStart } from './api-start.js';
import { EXECUTION_STATUS_EXAMPLE } from './dto/examples.js';
import { RerunRequest } from './dto/rerun-request.js';
import { ExecutionService } from './execution.service.js';
import { answerStart } from './start-answer.js';
import { askedBy } from './start-command.js';
import { startOptionsOf } from './start-options.js';

/** Checks the body of a rerun; none means: everything as it was. */
export const RERUN_REQUEST = new RequestPipe(RerunRequest, { optional: true });

/** Starting again what ran before; history is never changed, the new execution says where it comes from. */
@ApiTags('executions')
@Controller('executions/:execution_id')
export class RerunController {
  constructor(private readonly executions: ExecutionService) {}

  @Post('rerun')
  @ApiStart(
    {
      operationId: 'rerunExecution',
      summary: 'Start an execution again from its beginning',
      description:
        'A new execution with the same path, version, parameters and metadata, but for what the body names; forked_from is the earlier one.',
    },
    ExecutionStatus,
    { ...EXECUTION_STATUS_EXAMPLE, forked_from: '415923710348034000' },
  )
  @ApiParam({ name: 'execution_id', schema: { type: 'string', pattern: '^[0-9]+$' } })
  @ApiBody({ type: RerunRequest, required: false })
  async rerun(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(RERUN_REQUEST) request: RerunRequest,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    const options = startOptionsOf(request, Date.now());
    const change = { version: request.version ?? null, parameters: request.parameters ?? null, options };
    return answerStart(reply, await this.executions.rerun(principal, id, change, askedBy(http)));
  }
}
