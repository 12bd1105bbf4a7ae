import { EngineError, type Issue } from '../../engine/engine-error.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { compileValue, TemplateSyntaxError, type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, own } from '../../engine/values.js';
import { type HttpTarget } from '../../outbound/http-request.js';
import { isHeaderName, METHODS } from '../../outbound/http-words.js';

/** An http action with its templates compiled; `data` is rendered by the engine. */
export interface HttpConfig extends HttpTarget {
  readonly method: ValueTemplate;
}

/** Reads endpoint, method, headers and verify of an action. Throws EngineError `invalid_document` with all findings. */
export function parseHttpConfig(action: Action): HttpConfig {
  const field = (name: string): Json => own(action.fields, name) ?? own(action.fields, ALIASES[name] ?? name) ?? null;
  const endpoint = field('endpoint');
  const method = field('method') ?? 'GET';
  const headers = field('headers') ?? {};
  const issues = [...endpointIssues(endpoint), ...methodIssues(method), ...headerIssues(headers)];
  if (issues.length > 0) throw new EngineError('invalid', 'invalid_document', 'The http action is not valid', issues);
  const compiled = (pointer: string, value: Json): ValueTemplate => {
    try {
      return compileValue(value);
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError)) throw error;
      throw new EngineError('invalid', 'invalid_document', error.message, [{ code: 'template_syntax', message: error.message, pointer }]);
    }
  };
  return {
    endpoint: compiled('/endpoint', endpoint),
    method: compiled('/method', method),
    headers: compiled('/headers', headers),
    verify: compiled('/verify', field('verify') ?? true),
  };
}

const ALIASES: Readonly<Record<string, string>> = { endpoint: 'url', verify: 'verify_ssl' };

function endpointIssues(endpoint: Json): readonly Issue[] {
  if (endpoint === null) return [{ code: 'missing_field', message: 'An http action needs an endpoint', pointer: '/endpoint' }];
  if (typeof endpoint === 'string') return [];
  return [{ code: 'invalid_type', message: 'endpoint is a text', pointer: '/endpoint' }];
}

function methodIssues(method: Json): readonly Issue[] {
  if (typeof method !== 'string') return [{ code: 'invalid_type', message: 'method is a text', pointer: '/method' }];
  if (method.includes('{') || METHODS.includes(method.trim().toUpperCase())) return [];
  return [{ code: 'invalid_value', message: `method is one of ${METHODS.join(', ')}`, pointer: '/method' }];
}

function headerIssues(headers: Json): readonly Issue[] {
  if (typeof headers === 'string') return [];
  if (!isObject(headers)) return [{ code: 'invalid_type', message: 'headers is a mapping', pointer: '/headers' }];
  return Object.keys(headers)
    .filter((name) => !isHeaderName(name))
    .map((name) => ({ code: 'invalid_value', message: `"${name}" is not a header name`, pointer: `/headers/${escapePointer(name)}` }));
}

function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
