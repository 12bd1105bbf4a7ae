/** What a caller may do here; each route names the one it needs. */
export const SCOPES = [
  'executions:start',
  'executions:read',
  'executions:control',
  'approvals:read',
  'approvals:decide',
  'catalog:read',
  'catalog:register',
  'catalog:edit',
  'catalog:delete',
  'credentials:use',
  'credentials:edit',
  'mcp_servers:read',
  'mcp_servers:edit',
  'unsafe_sql',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** On whose behalf a handler works. Services and rules ask it; it never comes from a request's body. */
export interface Principal {
  readonly tenant: string;
  readonly subject: string;
  /** Scopes of the service, and others that only approvals ask for. */
  readonly scopes: ReadonlySet<string>;
}

/** Everybody, until authentication is configured. */
export const ANONYMOUS: Principal = { tenant: 'default', subject: 'anonymous', scopes: new Set(SCOPES) };

/** True where nobody is authenticated: whoever asks has this one name. */
export const isAnonymous = (principal: Principal): boolean => principal === ANONYMOUS;
