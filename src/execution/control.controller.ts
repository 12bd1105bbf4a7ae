import { applyDecorators, Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Caller } from '../common/caller.js';
import { EXECUTION_ID } from '../common/id-pipe.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { CancelRequest } from './dto/cancel-request.js';
import { CancelResponse } from './dto/cancel-response.js';
import { ExecutionService } from './execution.service.js';

const BODY = new RequestPipe(CancelRequest, { optional: true });

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

/** Wishes about a going execution. */
@ApiTags('executions')
@Controller('executions/:execution_id')
export class ControlController {
  constructor(private readonly executions: ExecutionService) {}

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

  private async askToCancel(
    principal: Principal,
    id: string,
    { reason, cascade, force }: CancelRequest,
    reply: FastifyReply,
  ): Promise<CancelResponse> {
    const outcome = await this.executions.cancel(principal, id, { reason: reason ?? null, cascade, force });
    void reply.code(outcome.alreadySo ? 200 : 202);
    return { status: outcome.execution.status, cancelled_executions: [...outcome.cancelled], message: outcome.message };
  }
}
