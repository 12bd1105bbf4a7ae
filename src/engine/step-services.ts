import { type Databases, type SqlPolicy } from './database-port.js';
import { type DuckDb } from './duckdb-port.js';
import { type LivePort } from './live-port.js';
import { type OnnxModels } from './onnx-port.js';
import { type McpTools } from './mcp-port.js';
import { type Outbound, type OutboundStreams } from './outbound-port.js';
import { type SecretProviders } from './secrets-port.js';
import { type Sandbox } from './sandbox-port.js';
import { type Scripts } from './script-port.js';
import { type StepKind } from './step-executor.js';

/** What a step type may use of this node. */
export interface StepServices {
  readonly outbound: Outbound;
  /** The same way out, for answers that are streams. */
  readonly streams: OutboundStreams;
  /** Where what happens right now is told to those who watch. */
  readonly live: LivePort;
  readonly sandbox: Sandbox;
  readonly scripts: Scripts;
  readonly databases: Databases;
  readonly duckdb: DuckDb;
  /** Models in files of this machine. */
  readonly onnx: OnnxModels;
  readonly sqlPolicy: SqlPolicy;
  /** Where `secrets` steps fetch from. */
  readonly secrets: SecretProviders;
  /** Tools of MCP servers. */
  readonly mcp: McpTools;
}

/** The default export of `src/steps/<kind>/<kind>.step.ts` where the kind needs services; else it is the kind itself. */
export type StepFactory = (services: StepServices) => StepKind;
