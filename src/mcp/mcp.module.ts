import { Module } from '@nestjs/common';
import { CatalogModule } from '../catalog/catalog.module.js';
import { ExecutionModule } from '../execution/execution.module.js';
import { StatusModule } from '../status/status.module.js';
import { CallFollower } from './call-follower.js';
import { CallService } from './call.service.js';
import { ChangeFeed } from './change-feed.js';
import { CompletionService } from './completion.service.js';
import { ConstantToolService } from './constant-tool.service.js';
import { McpController } from './mcp.controller.js';
import { McpEndpoint } from './mcp-endpoint.js';
import { McpKeys } from './mcp-keys.js';
import { McpServerFactory } from './mcp-server.factory.js';
import { OpenInputs } from './open-inputs.service.js';
import { PromptService } from './prompt.service.js';
import { ResourceService } from './resource.service.js';
import { TaskService } from './task.service.js';
import { TaskViews } from './task-views.js';
import { ToolService } from './tool.service.js';

/** The MCP server: entries of the catalog as tools, prompts and resources, executions as tasks. */
@Module({
  imports: [CatalogModule, StatusModule, ExecutionModule],
  controllers: [McpController],
  providers: [
    McpKeys,
    OpenInputs,
    CallFollower,
    CallService,
    TaskViews,
    ToolService,
    ConstantToolService,
    TaskService,
    PromptService,
    ResourceService,
    CompletionService,
    ChangeFeed,
    McpServerFactory,
    McpEndpoint,
  ],
})
export class McpModule {}
