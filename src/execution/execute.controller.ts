import { Body, Controller, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiExtraModels, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { type Principal } from '../common/principal.js';
import { ApiStart } from './api-start.js';
import { EXECUTION_RESPONSE_EXAMPLE, REQUEST_EXAMPLES } from './dto/examples.js';
import { ExecutionByPathRequest } from './dto/execution-by-path.request.js';
import { ExecutionRequestBase } from './dto/execution-request-base.js';
import { ExecutionResponse } from './dto/execution-response.js';
import { ModelExecutionRequest } from './dto/model-execution.request.js';
import { ToolExecutionRequest } from './dto/tool-execution.request.js';
import { type ExecuteRequest, ExecuteRequestPipe } from './request-pipes.js';
import { ExecutionService } from './execution.service.js';
import { answerStart } from './start-answer.js';
import { askedBy, startRunByPath } from './start-command.js';

const [BY_PATH, TOOL, MODEL] = [ExecutionByPathRequest, ToolExecutionRequest, ModelExecutionRequest].map(getSchemaPath) as [
  string,
  string,
  string,
];

/** The version-controlled style: by path and semantic version. */
@ApiTags('executions')
@ApiExtraModels(ExecutionRequestBase, ExecutionByPathRequest, ToolExecutionRequest, ModelExecutionRequest)
@Controller('execute')
export class ExecuteController {
  constructor(private readonly executions: ExecutionService) {}

  @Post()
  @ApiStart(
    {
      operationId: 'execute',
      summary: 'Start an execution by path and version',
      description: 'Version-controlled execution with path-based catalog lookup; the recommended way.',
    },
    ExecutionResponse,
    EXECUTION_RESPONSE_EXAMPLE,
  )
  @ApiBody({
    schema: {
      oneOf: [{ $ref: BY_PATH }, { $ref: TOOL }, { $ref: MODEL }],
      discriminator: { propertyName: 'execution_type', mapping: { playbook: BY_PATH, workflow: BY_PATH, tool: TOOL, model: MODEL } },
    },
    examples: {
      by_path: { value: REQUEST_EXAMPLES.byPath },
      tool: { value: REQUEST_EXAMPLES.tool },
      model: { value: REQUEST_EXAMPLES.model },
      workflow: { value: REQUEST_EXAMPLES.workflow },
    },
  })
  async execute(
    @Caller() principal: Principal,
    @Body(ExecuteRequestPipe) request: ExecuteRequest,
    @Req() http: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExecutionResponse> {
    const started = await this.executions.start(startRunByPath(principal, request, askedBy(http)));
    return ExecutionResponse.from(answerStart(reply, started));
  }
}
