import { join } from 'node:path';
import { type DynamicModule, Global, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SecretStore } from '../credentials/secret-store.js';
import { Settings } from '../config/settings.js';
import { type StepKinds } from '../engine/step-executor.js';
import { DestinationCheck } from '../outbound/destination.js';
import { tunnelThrough } from '../outbound/egress-proxy.js';
import { OutboundClient } from '../outbound/outbound-client.js';
import { OwnDatabase } from '../outbound/own-database.js';
import { resolveWithSystem } from '../outbound/resolve.js';
import { trusting } from '../outbound/trust.js';
import { McpClient } from '../mcp-client/mcp-client.js';
import { CodeSandbox, openSandbox } from '../sandbox/code-sandbox.js';
import { DuckDbProcesses } from '../sandbox/duckdb-processes.js';
import { OnnxProcesses } from '../sandbox/onnx-processes.js';
import { ScriptLoader } from '../sandbox/script-loader.js';
import { PostgresDatabases } from '../sql/postgres-databases.js';
import { STEP_KINDS } from '../storage/compiled-playbooks.js';
import { LiveMessages } from '../storage/live-messages.js';
import { LOG, type Log } from '../storage/log.js';
import { ExecutionEndsRepository } from '../storage/repositories/execution-ends.repository.js';
import { McpServerRepository } from '../storage/repositories/mcp-server.repository.js';
import { McpToolRepository } from '../storage/repositories/mcp-tool.repository.js';
import { mcpDirectory } from './mcp-directory.js';
import { loadSteps } from './load-steps.js';

/** Addresses no step may reach, whatever the operator allows: the service's own database. */
const OWN_DATABASE = Symbol('OWN_DATABASE');

/** Of each pool of a step's database. */
const IDLE_CONNECTION_MS = 60_000;
const DATABASE_POOLS = 64;

/** The step types of this node and what they share: the outbound client and the sandbox. */
@Global()
@Module({})
export class StepsModule implements OnApplicationBootstrap, OnApplicationShutdown {
  static besides(databaseUrls: readonly string[]): DynamicModule {
    return {
      module: StepsModule,
      providers: [
        { provide: OWN_DATABASE, useValue: databaseUrls.map(endpointOf) },
        {
          provide: OutboundClient,
          inject: [Settings, OWN_DATABASE],
          useFactory: (settings: Settings, ownDatabase: ReturnType<typeof endpointOf>[]) =>
            new OutboundClient({
              allow: settings.outboundAllow,
              ownDatabase,
              proxy: settings.outboundProxy,
              proxyResolves: settings.outboundProxyResolves,
              authorities: settings.outboundAuthorities,
            }),
        },
        {
          provide: CodeSandbox,
          inject: [Settings, LOG],
          useFactory: (settings: Settings, log: Log) =>
            openSandbox({
              python: settings.python,
              isolation: settings.isolation,
              processOnlyIfAsked: settings.authentication !== null,
              workers: settings.pythonWorkers,
              leaseMs: settings.leaseSeconds * 1000,
              warn: (message) => log.warn({}, message),
            }),
        },
        {
          provide: PostgresDatabases,
          inject: [Settings, OWN_DATABASE],
          useFactory: (settings: Settings, ownDatabase: ReturnType<typeof endpointOf>[]) =>
            new PostgresDatabases(
              destinationCheck(settings, ownDatabase, settings.outboundProxy === null ? null : settings.outboundProxyResolves),
              { connections: settings.stepDatabasePool, idleMs: IDLE_CONNECTION_MS, pools: DATABASE_POOLS },
              tunnelThrough(settings.outboundProxy, trusting(settings.outboundAuthorities)),
            ),
        },
        {
          provide: DuckDbProcesses,
          inject: [Settings, OWN_DATABASE, CodeSandbox, ExecutionEndsRepository, LOG],
          useFactory: (
            settings: Settings,
            ownDatabase: ReturnType<typeof endpointOf>[],
            { isolation, refusal }: CodeSandbox,
            ends: ExecutionEndsRepository,
            log: Log,
          ) =>
            new DuckDbProcesses({
              ...settings.duckdb,
              folder: join(settings.dataDir, 'duckdb'),
              isolation,
              refusal,
              leaseMs: settings.leaseSeconds * 1000,
              check: destinationCheck(settings, ownDatabase),
              behindProxy: settings.outboundProxy !== null,
              stateOf: (ids) => ends.of(ids),
              warn: (message) => log.warn({}, message),
            }),
        },
        {
          provide: OnnxProcesses,
          inject: [Settings, CodeSandbox],
          useFactory: (settings: Settings, { isolation }: CodeSandbox) =>
            new OnnxProcesses({ ...settings.onnx, isolation, leaseMs: settings.leaseSeconds * 1000 }),
        },
        {
          provide: McpClient,
          inject: [OutboundClient, SecretStore, Settings, McpServerRepository, McpToolRepository, LOG],
          useFactory: (
            outbound: OutboundClient,
            secrets: SecretStore,
            { mcpServers }: Settings,
            servers: McpServerRepository,
            tools: McpToolRepository,
            log: Log,
          ) =>
            new McpClient(mcpDirectory(mcpServers, servers, tools), secrets, {
              outbound,
              stderr: (server, text) => log.info({ mcp_server: server, stderr: text }, 'an MCP server wrote to its error output'),
            }),
        },
        {
          provide: STEP_KINDS,
          inject: [
            OutboundClient,
            CodeSandbox,
            PostgresDatabases,
            DuckDbProcesses,
            OnnxProcesses,
            SecretStore,
            McpClient,
            LiveMessages,
            Settings,
          ],
          useFactory: (
            outbound: OutboundClient,
            sandbox: CodeSandbox,
            databases: PostgresDatabases,
            duckdb: DuckDbProcesses,
            onnx: OnnxProcesses,
            secrets: SecretStore,
            mcp: McpClient,
            live: LiveMessages,
            { sqlPolicy, scriptRoot }: Settings,
          ): Promise<StepKinds> =>
            loadSteps({
              outbound,
              streams: outbound,
              live,
              sandbox,
              databases,
              duckdb,
              onnx,
              secrets,
              mcp,
              sqlPolicy,
              scripts: new ScriptLoader(scriptRoot, outbound),
            }),
        },
      ],
      exports: [STEP_KINDS, OutboundClient, McpClient],
    };
  }

  constructor(
    private readonly outbound: OutboundClient,
    private readonly sandbox: CodeSandbox,
    private readonly databases: PostgresDatabases,
    private readonly duckdb: DuckDbProcesses,
    private readonly onnx: OnnxProcesses,
    private readonly mcp: McpClient,
  ) {}

  /** The first call of a fresh interpreter takes a hundred times as long as the next. */
  onApplicationBootstrap(): void {
    this.sandbox.warm();
  }

  async onApplicationShutdown(): Promise<void> {
    this.databases.close();
    await this.mcp.close(); // its sessions end over the outbound client
    await Promise.all([this.outbound.close(), this.sandbox.close(), this.duckdb.close(), this.onnx.close()]);
  }
}

function destinationCheck(
  { outboundAllow }: Settings,
  ownDatabase: ReturnType<typeof endpointOf>[],
  proxyResolves: boolean | null = null,
): DestinationCheck {
  return new DestinationCheck(outboundAllow, new OwnDatabase(ownDatabase, resolveWithSystem), resolveWithSystem, proxyResolves);
}

function endpointOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: decodeURIComponent(hostname).replace(/^\[|\]$/g, '') || 'localhost', port: Number(port || 5432) };
}
