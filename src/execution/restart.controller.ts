import { applyDecorators, Body, Controller, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { EXECUTION_ID } from '../common/id-pipe.js';
import { NoBody } from '../common/no-body.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { ExecutionStatus } from '../status/dto/execution-status.js';
import { ApiStart } from './api-start.js';
import { EXECUTION_STATUS_EXAMPLE, REQUEST_EXAMPLES } from './dto/examples.js';
import { ForkRequest } from './dto/fork-request.js';
import { RerunRequest } from './dto/rerun-request.js';
import { RestartService } from './restart.service.js';
import { answerStart } from './start-answer.js';
import { askedBy } from './start-command.js';
import { startOptionsOf } from './start-options.js';
import { type RestartChange } from './start-run.js';

/** Checks the body of a rerun; none means: everything as it was. */
export const RERUN_REQUEST = new RequestPipe(RerunRequest, { optional: true });
/** Checks the body of a fork. */
export const FORK_REQUEST = new RequestPipe(ForkRequest);

/** What all three have in common. */
function ApiRestart(operationId: string, summary: string, description: string): MethodDecorator {
  const example = { ...EXECUTION_STATUS_EXAMPLE, forked_from: '415923710348034000' };
  return applyDecorators(
    ApiStart({ operationId, summary, description }, ExecutionStatus, example),
    ApiParam({ name: 'execution_id', schema: { type: 'string', pattern: '^[0-9]+$' } }),
  );
}

/** Starting again what ran before; history is never changed, the new execution says where it comes from. */
@ApiTags('executions')
@Controller('executions/:execution_id')
export class RestartController {
  constructor(private readonly restarts: RestartService) {}

  @Post('rerun')
  @ApiRestart(
    'rerunExecution',
    'Start an execution again from its beginning',
    'A new execution with the same path, version, parameters and metadata, but for what the body names; forked_from is the earlier one.',
  )
  @ApiBody({ type: RerunRequest, required: false, examples: { rerun: { value: REQUEST_EXAMPLES.rerun } } })
  async rerun(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(RERUN_REQUEST) request: RerunRequest,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    return answerStart(reply, await this.restarts.rerun(principal, id, changeOf(request), askedBy(http)));
  }

  @Post('retry')
  @NoBody()
  @ApiRestart(
    'retryExecution',
    'Go on with an execution that failed or was cancelled',
    'A new execution that keeps what completed and runs the rest again; forked_from is the earlier one.',
  )
  @ApiResponse({ status: 409, description: 'It has completed, or is still going on; or the key belongs to an execution that was removed.' })
  async retry(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    return answerStart(reply, await this.restarts.retry(principal, id, askedBy(http)));
  }

  @Post('fork')
  @ApiRestart(
    'forkExecution',
    'Go on from a step of an execution, another way',
    'A new execution that keeps what completed and does not follow from that step, with another version or other parameters where the body names them.',
  )
  @ApiBody({ type: ForkRequest, examples: { fork: { value: REQUEST_EXAMPLES.fork } } })
  async fork(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(FORK_REQUEST) request: ForkRequest,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    return answerStart(reply, await this.restarts.fork(principal, id, request.from_step, changeOf(request), askedBy(http)));
  }
}

function changeOf(request: RerunRequest): RestartChange {
  const { version, parameters } = request;
  return { version: version ?? null, parameters: parameters ?? null, options: startOptionsOf(request) };
}
