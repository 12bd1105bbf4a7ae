import { Redactor } from '../engine/auth/redactor.js';
import { type StdioMcpServer } from './mcp-server.js';

/** Variables of processes whose values are no business of anybody. */
const SECRET_VARIABLE = /key|token|secret|pass|credential|auth/i;

/** Knows the secrets that a process is started with. */
export function redactorOf({ env }: Pick<StdioMcpServer, 'env'>): Redactor {
  const redactor = new Redactor();
  for (const [name, value] of Object.entries(env)) if (SECRET_VARIABLE.test(name)) redactor.taint(value);
  return redactor;
}
