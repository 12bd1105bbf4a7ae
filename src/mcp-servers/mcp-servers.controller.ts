import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { NoBody } from '../common/no-body.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { toldHeader } from '../common/told-header.js';
import { MCP_SERVER_NAME } from '../mcp-client/servers-file.js';
import { ApproveMcpToolRequest, MCP_SERVER_EXAMPLE, McpPageQuery, McpServerRequest } from './dto/mcp-server.request.js';
import {
  McpImport,
  McpServerList,
  McpServerResponse,
  McpToolDefinitionList,
  McpToolDefinitionResponse,
} from './dto/mcp-server.response.js';
import { McpServersService, nameOf } from './mcp-servers.service.js';
import { wishOf } from './server-wish.js';

const SAVE = new RequestPipe(McpServerRequest);
const PAGE = new RequestPipe(McpPageQuery, { query: true });
const NAME = { name: 'name', schema: { type: 'string' } } as const;
const WHERE = { Location: toldHeader('Where the server is read.') };
const CONFIGURED = { description: 'The name is configured where the service runs.' } as const;
const DEFINITION_CURSOR = /^([A-Za-z0-9_.-]{1,128}) (\d{1,19})$/;

/** MCP servers whose tools may be called, and what was taken over from them. */
@ApiTags('mcp-servers')
@Controller('mcp-servers')
export class McpServersController {
  constructor(private readonly servers: McpServersService) {}

  @Post()
  @HttpCode(201)
  @Policy('mcp_servers:edit')
  @ApiOperation({
    operationId: 'saveMcpServer',
    summary: 'Register an MCP server',
    description: 'A name that exists gets a new version. Nothing is asked of the server yet; import does that.',
  })
  @ApiBody({ type: McpServerRequest, examples: { http: { value: MCP_SERVER_EXAMPLE } } })
  @ApiCreatedResponse({ type: McpServerResponse, headers: WHERE, description: 'Registered.' })
  @ApiOkResponse({ type: McpServerResponse, headers: WHERE, description: 'The name existed: a new version.' })
  @ApiConflictResponse(CONFIGURED)
  async save(
    @Caller() principal: Principal,
    @Body(SAVE) request: McpServerRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<McpServerResponse> {
    const { record, isNew } = await this.servers.save(principal, wishOf(request));
    void reply.code(isNew ? 201 : 200).header('location', `/mcp-servers/${record.name}`);
    return McpServerResponse.from({ kind: 'http', record });
  }

  @Get()
  @Policy('mcp_servers:read')
  @ApiOperation({ operationId: 'listMcpServers', summary: 'List MCP servers in the order of their names' })
  @ApiOkResponse({ type: McpServerList })
  async list(
    @Caller() principal: Principal,
    @Query(PAGE) { limit, cursor }: McpPageQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<McpServerList> {
    const after = cursor === undefined ? null : readCursor(cursor, (name) => MCP_SERVER_NAME.test(name));
    const found = await this.servers.list(principal, after, limit + 1);
    const page = found.slice(0, limit);
    linkNextPage(reply, request.originalUrl, found.length > limit ? cursorOf(nameOf(page.at(-1)!)) : null);
    return { items: page.map((known) => McpServerResponse.from(known)) };
  }

  @Get(':name')
  @Policy('mcp_servers:read')
  @ApiOperation({ operationId: 'getMcpServer', summary: 'One MCP server' })
  @ApiParam(NAME)
  @ApiOkResponse({ type: McpServerResponse })
  async get(@Caller() principal: Principal, @Param('name') name: string): Promise<McpServerResponse> {
    return McpServerResponse.from(await this.servers.get(principal, name));
  }

  @Delete(':name')
  @HttpCode(204)
  @Policy('mcp_servers:edit')
  @ApiOperation({
    operationId: 'deleteMcpServer',
    summary: 'Delete an MCP server',
    description: 'With what is known of its tools. Their catalog entries stay, and calls of them fail from then on.',
  })
  @ApiParam(NAME)
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiConflictResponse(CONFIGURED)
  async remove(@Caller() principal: Principal, @Param('name') name: string): Promise<void> {
    await this.servers.remove(principal, name);
  }

  @Post(':name/import')
  @NoBody()
  @HttpCode(200)
  @Policy('mcp_servers:edit')
  @ApiOperation({
    operationId: 'importMcpServer',
    summary: 'Make catalog entries of the tools of a server',
    description:
      'The first definition of a tool becomes `tools/<server>/<tool>`. A definition that differs from an earlier one becomes a version that is held: nothing resolves to it until it is approved. Of a tool five wait as versions; of those that follow only the newest is kept, without a version.',
  })
  @ApiParam(NAME)
  @ApiOkResponse({ type: McpImport })
  async import(@Caller() principal: Principal, @Param('name') name: string): Promise<McpImport> {
    return McpImport.from(name, await this.servers.import(principal, name));
  }

  @Get(':name/tools')
  @Policy('mcp_servers:read')
  @ApiOperation({
    operationId: 'listMcpTools',
    summary: 'The definitions of the tools of a server, those approved and those that wait for a review',
  })
  @ApiParam(NAME)
  @ApiOkResponse({ type: McpToolDefinitionList })
  async tools(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query(PAGE) { limit, cursor }: McpPageQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<McpToolDefinitionList> {
    const key = cursor === undefined ? null : readCursor(cursor, (text) => DEFINITION_CURSOR.test(text));
    const [, tool = '', id = ''] = DEFINITION_CURSOR.exec(key ?? '') ?? [];
    const found = await this.servers.definitions(principal, name, key === null ? null : [tool, id], limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    linkNextPage(reply, request.originalUrl, found.length > limit && last ? cursorOf(`${last.tool} ${last.id}`) : null);
    return { items: page.map((record) => McpToolDefinitionResponse.from(record)) };
  }

  @Post(':name/tools/:tool/approve')
  @HttpCode(200)
  @Policy('mcp_servers:edit')
  @ApiOperation({
    operationId: 'approveMcpTool',
    summary: 'Approve a definition of a tool',
    description: 'Its version becomes what `latest` means, and calls may be made while the server describes the tool so.',
  })
  @ApiParam(NAME)
  @ApiParam({ name: 'tool', schema: { type: 'string' } })
  @ApiOkResponse({ type: McpToolDefinitionResponse })
  async approve(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Param('tool') tool: string,
    @Body(new RequestPipe(ApproveMcpToolRequest)) request: ApproveMcpToolRequest,
  ): Promise<McpToolDefinitionResponse> {
    return McpToolDefinitionResponse.from(await this.servers.approve(principal, name, tool, request.digest));
  }
}
