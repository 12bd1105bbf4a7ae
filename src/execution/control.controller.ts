import { applyDecorators, Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Caller } from '../common/caller.js';
import { EXECUTION_ID } from '../common/id-pipe.js';
import { NoBody } from '../common/no-body.js';
import { ExecutionStatus } from '../status/dto/execution-status.js';
import { executionStatusOf } from '../status/dto/execution-view.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { CancelRequest } from './dto/cancel-request.js';
import { EXECUTION_STATUS_EXAMPLE } from './dto/examples.js';
import { CancelResponse } from './dto/cancel-response.js';
import { ControlService } from './control.service.js';
import { PauseRequest } from './dto/pause-request.js';
import { SignalRequest } from './dto/signal-request.js';
import { type ControlledRun } from './start-run.js';

const BODY = new RequestPipe(CancelRequest, { optional: true });
const PAUSE = new RequestPipe(PauseRequest, { optional: true });
const SIGNAL = new RequestPipe(SignalRequest);

/** Policy and documentation of both names of cancelling. */
function ApiCancel(operationId: string, summary: string, deprecated: boolean): MethodDecorator {
  return applyDecorators(
    Policy('executions:control'),
    HttpCode(202),
    ApiOperation({ operationId, summary, deprecated }),
    ApiParam({ name: 'execution_id', schema: { type: 'string', pattern: '^[0-9]+$' } }),
    ApiBody({ type: CancelRequest, required: false }),
    ApiResponse({ status: 202, type: CancelResponse, description: 'Cancelling.' }),
    ApiResponse({ status: 200, type: CancelResponse, description: 'It was cancelled before; nothing changed.' }),
    ApiResponse({ status: 409, description: 'It has ended otherwise.' }),
  );
}

/** Policy and documentation of the wishes that are answered with the execution. */
function ApiControl(operationId: string, summary: string, description: string, alreadySo: string | null): MethodDecorator {
  const headers = { Location: toldHeader('Where the execution is read.') };
  const answer = { type: ExecutionStatus, headers, example: { ...EXECUTION_STATUS_EXAMPLE, parameters: null } };
  return applyDecorators(
    Policy('executions:control'),
    HttpCode(202),
    ApiOperation({ operationId, summary, description }),
    ApiParam({ name: 'execution_id', schema: { type: 'string', pattern: '^[0-9]+$' } }),
    ApiResponse({ ...answer, status: 202, description: 'The wish is stored and will be heard.' }),
    ...(alreadySo === null ? [] : [ApiResponse({ ...answer, status: 200, description: alreadySo })]),
    ApiResponse({ status: 409, description: 'It has ended.' }),
  );
}

/** Wishes about a going execution. */
@ApiTags('executions')
@Controller('executions/:execution_id')
export class ControlController {
  constructor(private readonly control: ControlService) {}

  @Post('cancel')
  @ApiCancel('cancelExecution', 'Cancel an execution', false)
  cancel(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(BODY) request: CancelRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CancelResponse> {
    return this.askToCancel(principal, id, request, reply);
  }

  @Post('stop')
  @ApiCancel('stopExecution', 'Cancel an execution (old name)', true)
  stop(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(BODY) request: CancelRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CancelResponse> {
    return this.askToCancel(principal, id, request, reply);
  }

  @Post('pause')
  @ApiControl(
    'pauseExecution',
    'Pause an execution',
    'Running steps come to their end, nothing starts any more; waits go on counting and are looked at when it is resumed.',
    'It was paused, or asked to pause, before; nothing changed.',
  )
  @ApiBody({ type: PauseRequest, required: false })
  async pause(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(PAUSE) { reason }: PauseRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    return answerControl(reply, await this.control.pause(principal, id, reason ?? null));
  }

  @Post('resume')
  @NoBody()
  @ApiControl('resumeExecution', 'Let a paused execution go on', 'From where it was paused.', 'It is not paused; nothing changed.')
  async resume(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    return answerControl(reply, await this.control.resume(principal, id));
  }

  @Post('signal')
  @ApiControl(
    'signalExecution',
    'Send a signal to an execution',
    'The wait_for step of this name takes the payload as its value; a signal that comes early is kept for it. The payload for an input step has an answer to each of its requests, and is taken only while it asks.',
    null,
  )
  @ApiBody({ type: SignalRequest })
  async signal(
    @Caller() principal: Principal,
    @Param('execution_id', EXECUTION_ID) id: string,
    @Body(SIGNAL) { name, payload }: SignalRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionStatus> {
    return answerControl(reply, await this.control.signal(principal, id, name, payload ?? null));
  }

  private async askToCancel(
    principal: Principal,
    id: string,
    { reason, cascade, force }: CancelRequest,
    reply: FastifyReply,
  ): Promise<CancelResponse> {
    const outcome = await this.control.cancel(principal, id, { reason: reason ?? null, cascade, force });
    void reply.code(outcome.alreadySo ? 200 : 202);
    return { status: outcome.execution.status, cancelled_executions: [...outcome.cancelled], message: outcome.message };
  }
}

function answerControl(reply: FastifyReply, { execution, alreadySo }: ControlledRun): ExecutionStatus {
  void reply.code(alreadySo ? 200 : 202).header('location', `/executions/${execution.id}`);
  return executionStatusOf(execution);
}
