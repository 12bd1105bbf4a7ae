import { Injectable, Logger } from '@nestjs/common';
import {
  type CallToolResult,
  type McpRequestContext,
  type Server,
  type ServerContext,
  type ServerOptions,
  type StandardSchemaV1,
} from '@modelcontextprotocol/server';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/server/validators/ajv';
import { SERVICE_VERSION } from '../config/service-version.js';
import { EngineError } from '../engine/engine-error.js';
import { isObject, type JsonObject } from '../engine/values.js';
import { CallService } from './call.service.js';
import { TASKS_EXTENSION } from './client-capabilities.js';
import { CompletionService } from './completion.service.js';
import { ConstantToolService } from './constant-tool.service.js';
import { callerOf, type McpRequest, requireScope } from './mcp-caller.js';
import { protocolErrorOf } from './mcp-errors.js';
import { PromptService } from './prompt.service.js';
import { ResourceService } from './resource.service.js';
import { StrictServer } from './strict-server.js';
import { TaskService } from './task.service.js';
import { type ToolAnswer, ToolService } from './tool.service.js';

const IDENTITY = { name: 'showrunner', title: 'Showrunner', version: SERVICE_VERSION };

const INSTRUCTIONS = `Runs playbooks, tools, models and workflows of a versioned catalog, durably.
Find an entry with catalog_search, see what it takes with catalog_describe, run it with execute; some entries are tools of their own.
A run that takes longer goes on without you: ask for it with execution_status, stop it with execution_cancel.`;

const CAPABILITIES = {
  modern: {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, subscribe: true },
    completions: {},
    logging: {},
    extensions: { [TASKS_EXTENSION]: {} },
  },
  /** What changes is told in a session, and older clients have none here: nothing of it is promised. */
  legacy: { tools: {}, prompts: {}, resources: {}, completions: {}, logging: {} },
} as const;

/** One for all servers: making one is far more work than a request. */
const VALIDATOR = new AjvJsonSchemaValidator();

interface TaskParams {
  readonly taskId: string;
}

/** Params of the methods of the Tasks extension, as the SDK wants schemas. */
const TASK_PARAMS: StandardSchemaV1<unknown, TaskParams> = {
  '~standard': {
    version: 1,
    vendor: 'showrunner',
    validate: (value) =>
      isObject(value) && typeof value.taskId === 'string'
        ? { value: { taskId: value.taskId } }
        : { issues: [{ message: 'taskId must be a string', path: ['taskId'] }] },
  },
};

/** Makes the server of one request: cheap, because a catalog is never loaded into it; its handlers ask for what they need. */
@Injectable()
export class McpServerFactory {
  private readonly log = new Logger(McpServerFactory.name);

  constructor(
    private readonly tools: ToolService,
    private readonly constantTools: ConstantToolService,
    private readonly tasks: TaskService,
    private readonly prompts: PromptService,
    private readonly resources: ResourceService,
    private readonly completions: CompletionService,
    private readonly calls: CallService,
  ) {}

  serverFor({ era, authInfo }: McpRequestContext): Server {
    const caller = callerOf(authInfo);
    const options: ServerOptions = {
      capabilities: CAPABILITIES[era],
      instructions: INSTRUCTIONS,
      jsonSchemaValidator: VALIDATOR,
      requestState: { verify: (state, context) => this.calls.verifyState(state, context) },
      // An older client cannot be asked through a connection that ends with the answer.
      inputRequired: { legacyShim: false },
    };
    const server = new StrictServer(IDENTITY, options);
    const request = (context: ServerContext): McpRequest => ({ caller, context, era });
    server.setRequestHandler('tools/list', ({ params }, context) => this.guarded(() => this.tools.list(request(context), params?.cursor)));
    server.setRequestHandler('tools/call', ({ params }, context) =>
      this.guarded(async () =>
        projected(server, await this.callTool(request(context), params.name, (params.arguments ?? {}) as JsonObject)),
      ),
    );
    server.setRequestHandler('prompts/list', ({ params }, context) =>
      this.guarded(() => this.prompts.list(request(context), params?.cursor)),
    );
    server.setRequestHandler('prompts/get', ({ params }, context) =>
      this.guarded(() => this.prompts.get(request(context), params.name, params.arguments ?? {})),
    );
    server.setRequestHandler('resources/list', ({ params }, context) =>
      this.guarded(() => this.resources.list(request(context), params?.cursor)),
    );
    server.setRequestHandler('resources/templates/list', ({ params }, context) =>
      this.guarded(() => this.resources.templates(request(context), params?.cursor)),
    );
    server.setRequestHandler('resources/read', ({ params }, context) =>
      this.guarded(() => this.resources.read(request(context), params.uri)),
    );
    server.setRequestHandler('completion/complete', ({ params }, context) =>
      this.guarded(() => this.completions.complete(request(context), params)),
    );
    if (era === 'modern') this.addTasks(server, request);
    else addSubscriptions(server);
    return server;
  }

  private addTasks(server: Server, request: (context: ServerContext) => McpRequest): void {
    const schemas = { params: TASK_PARAMS };
    server.setRequestHandler('tasks/get', schemas, ({ taskId }, context) => this.guarded(() => this.tasks.get(request(context), taskId)));
    server.setRequestHandler('tasks/update', schemas, ({ taskId }, context) =>
      this.guarded(() => this.tasks.update(request(context), taskId)),
    );
    server.setRequestHandler('tasks/cancel', schemas, ({ taskId }, context) =>
      this.guarded(() => this.tasks.cancel(request(context), taskId)),
    );
  }

  private async callTool(request: McpRequest, name: string, given: JsonObject): Promise<ToolAnswer> {
    const constant = this.constantTools.named(request, name);
    if (constant) return this.constantTools.call(request, constant, given);
    requireScope(request.caller.principal, 'executions:start');
    return this.tools.call(request, name, given);
  }

  /** What nobody expected is logged, and told as nothing more than that. */
  private async guarded<T>(handle: () => Promise<T>): Promise<T> {
    try {
      return await handle();
    } catch (error) {
      const told = protocolErrorOf(error);
      if (told !== error && !(error instanceof EngineError))
        this.log.error(String(error), error instanceof Error ? error.stack : undefined);
      throw told;
    }
  }
}

/** Older revisions know results whose structure is an object only. */
function projected(server: Server, answer: ToolAnswer): CallToolResult {
  const result = answer as CallToolResult;
  return result.content === undefined ? result : server.projectCallToolResult(result, undefined);
}

/** A client of an older revision may subscribe although that is not among the capabilities: it goes on, and as there is no session, nothing will come. */
function addSubscriptions(server: Server): void {
  server.setRequestHandler('resources/subscribe', () => ({}));
  server.setRequestHandler('resources/unsubscribe', () => ({}));
}
