import { type ToolDefinition } from './tool-definition.js';

/** A server that answers over Streamable HTTP, as an operator registered it. */
export interface HttpMcpServer {
  readonly kind: 'http';
  readonly name: string;
  /** Changes with every change of the registration. */
  readonly version: string;
  readonly url: string;
  /** Sent with every request besides those of the protocol. No secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** Name of the credential it is called with; null: none. */
  readonly auth: string | null;
}

/** A server that is a process of this machine: from the configuration of the service only, never from a request. */
export interface StdioMcpServer {
  readonly kind: 'stdio';
  readonly name: string;
  /** Changes with the configuration. */
  readonly version: string;
  /** Absolute path; started without a shell. */
  readonly command: string;
  readonly args: readonly string[];
  /** All it sees besides PATH, HOME and LANG. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | null;
  readonly limits: StdioLimits;
}

/** What the kernel lets such a process have (setrlimit), each process of it for itself; null: as much as the service. */
export interface StdioLimits {
  /** Address space, which runtimes such as Node reserve far more of than they use. */
  readonly memoryBytes: number | null;
  readonly cpuSeconds: number | null;
  /** The largest file that it may write. */
  readonly fileBytes: number | null;
  readonly openFiles: number | null;
}

export type McpServer = HttpMcpServer | StdioMcpServer;

/** What is kept about servers and the definitions of their tools that somebody has seen. */
export interface McpDirectory {
  /** Null where there is none of that name. */
  server(tenantId: string, name: string): Promise<McpServer | null>;
  /** Every known definition of one tool, the newest first. */
  definitions(tenantId: string, server: string, tool: string): Promise<readonly KnownDefinition[]>;
}

/** A definition that is kept, and whether calls may be made against it. */
export interface KnownDefinition {
  readonly digest: string;
  readonly approved: boolean;
  readonly definition: ToolDefinition;
}
