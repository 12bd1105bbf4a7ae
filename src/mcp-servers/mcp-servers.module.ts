import { Module } from '@nestjs/common';
import { CatalogModule } from '../catalog/catalog.module.js';
import { DefinitionWatch } from './definition-watch.js';
import { McpServersController } from './mcp-servers.controller.js';
import { McpServersService } from './mcp-servers.service.js';
import { ToolImports } from './tool-imports.js';

/** MCP servers, and the catalog entries that are made of their tools. */
@Module({
  imports: [CatalogModule],
  controllers: [McpServersController],
  providers: [McpServersService, ToolImports, DefinitionWatch],
})
export class McpServersModule {}
