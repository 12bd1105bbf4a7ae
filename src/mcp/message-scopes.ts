import { type Scope } from '../common/principal.js';
import { isObject } from '../engine/values.js';
import { parseServiceUri } from './resource-uri.js';
import { subscribedUris } from './subscription.js';

/** What methods take besides the scope of the endpoint. */
const OF_METHOD: Readonly<Record<string, Scope>> = {
  'tools/call': 'executions:start',
  'tasks/get': 'executions:read',
  'tasks/update': 'executions:control',
  'tasks/cancel': 'executions:control',
};

/** Tools of the service itself that start nothing. */
const OF_TOOL: Readonly<Record<string, Scope>> = {
  catalog_search: 'catalog:read',
  catalog_describe: 'catalog:read',
  execution_status: 'executions:read',
  execution_cancel: 'executions:control',
};

/** The scopes that a JSON-RPC message takes, as far as it says so by itself; none where it is no request, or several. */
export function scopesOfMessage(body: unknown): readonly Scope[] {
  if (!isObject(body) || typeof body.method !== 'string') return [];
  if (subscribedUris(body).some((uri) => parseServiceUri(uri)?.kind === 'execution')) return ['executions:read'];
  const name = isObject(body.params) && typeof body.params.name === 'string' ? body.params.name : '';
  const scope = (body.method === 'tools/call' && Object.hasOwn(OF_TOOL, name) ? OF_TOOL[name] : undefined) ?? OF_METHOD[body.method];
  return scope === undefined || !Object.hasOwn(OF_METHOD, body.method) ? [] : [scope];
}
