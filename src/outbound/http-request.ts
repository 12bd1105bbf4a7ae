import { createHash } from 'node:crypto';
import { StepFailure } from '../engine/step-executor.js';
import { isObject, type Json, type JsonObject, own } from '../engine/values.js';
import { type Rendering } from '../engine/template/rendering.js';
import { type Scope } from '../engine/template/scope.js';
import { type ValueTemplate } from '../engine/template/template.js';
import { isHeaderName, METHODS } from './http-words.js';

/** What one call sends, before its body is encoded: recorded with the attempt, so it stays readable by key. */
export interface HttpRequest extends JsonObject {
  endpoint: string;
  method: string;
  /** As the author writes them; the idempotency key is added when the call is made. */
  headers: Record<string, string>;
  query: JsonObject;
  /** Mapping, list, text or scalar; null sends none. */
  body: Json;
  verify: boolean;
}

/** Where a call goes and what it says about itself, with its templates compiled. */
export interface HttpTarget {
  readonly endpoint: ValueTemplate;
  /** Renders to a mapping of header values. */
  readonly headers: ValueTemplate;
  /** Renders to what decides whether TLS certificates are checked. */
  readonly verify: ValueTemplate;
}

/** The same, rendered. Throws StepFailure. */
export function targetOf(config: HttpTarget, scope: Scope, rendering: Rendering): Pick<HttpRequest, 'endpoint' | 'headers' | 'verify'> {
  return {
    endpoint: endpointOf(config.endpoint.render(scope, rendering)),
    headers: headersOf(config.headers.render(scope, rendering)),
    verify: isTrue(config.verify.render(scope, rendering)),
  };
}

/** @throws StepFailure invalid_endpoint */
export function endpointOf(rendered: Json): string {
  const endpoint = typeof rendered === 'string' ? rendered.trim() : '';
  if (endpoint === '')
    throw new StepFailure('invalid_endpoint', 'The endpoint of the http step is empty or not a text', { retryable: false });
  return endpoint;
}

/** Playbooks write booleans as text too; whatever does not say no leaves verification on. */
function isTrue(rendered: Json): boolean {
  return !(
    rendered === false ||
    rendered === 0 ||
    (typeof rendered === 'string' && ['false', 'no', 'off', 'n', '0'].includes(rendered.trim().toLowerCase()))
  );
}

const WITHOUT_BODY = new Set(['GET', 'DELETE', 'HEAD']);

/**
 * Where the inputs go: `query` and `body` say so themselves; all other keys are the query string of GET, DELETE and
 * HEAD, and the body of every other method. They win over what `query` and `body` hold; beside a body that is no
 * mapping there is no place for them.
 */
export function splitInputs(method: string, inputs: JsonObject): Pick<HttpRequest, 'query' | 'body'> {
  const query = own(inputs, 'query') ?? {};
  const body = own(inputs, 'body') ?? null;
  const { query: _query, body: _body, ...rest } = inputs;
  if (!isObject(query)) throw refused('inputs_not_mapping', 'The query of an http step is a mapping');
  if (WITHOUT_BODY.has(method)) return { query: { ...query, ...rest }, body };
  if (Object.keys(rest).length === 0) return { query, body };
  return { query, body: body === null ? rest : isObject(body) ? { ...body, ...rest } : body };
}

export function methodOf(rendered: Json): string {
  const method = typeof rendered === 'string' ? rendered.trim().toUpperCase() : '';
  if (!METHODS.includes(method)) throw refused('invalid_value', `The method of an http step is one of ${METHODS.join(', ')}`);
  return method;
}

/** Texts, numbers and booleans become header values; null leaves the header out. Messages never hold a value. */
export function headersOf(rendered: Json): Record<string, string> {
  if (rendered === null || rendered === '') return {};
  if (!isObject(rendered)) throw refused('invalid_value', 'The headers of an http step are a mapping');
  const headers = Object.entries(rendered).filter(([, value]) => value !== null);
  return Object.fromEntries(headers.map(([name, value]) => [name, headerValue(name, value)]));
}

function headerValue(name: string, value: Json): string {
  if (!isHeaderName(name)) throw refused('invalid_value', 'A header of an http step has a name that HTTP does not allow');
  if (typeof value === 'object') throw refused('invalid_value', `The header ${name} is not a text`);
  const text = String(value).trim();
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text))
    throw refused('invalid_value', `The header ${name} has a character that HTTP does not allow`);
  return text;
}

/** Appends to what the endpoint has already: lists repeat the key, mappings are written as JSON, null is left out. */
export function urlOf({ endpoint, query }: HttpRequest): string {
  const pairs = pairsOf(query);
  const url = pairs.length === 0 ? null : URL.parse(endpoint);
  if (!url) return endpoint; // the client says what is wrong with it
  const added = new URLSearchParams(pairs).toString();
  url.search = url.search === '' ? added : `${url.search}&${added}`;
  return url.href;
}

/** The bytes of the body and the Content-Type to send with them, where the author's does not do. */
export function encodeBody({ headers, body }: HttpRequest): { readonly body: string | null; readonly contentType: string | null } {
  if (body === null) return { body: null, contentType: null };
  if (typeof body === 'string') return { body, contentType: null };
  const declared = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const mediaType = declared?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType === 'application/x-www-form-urlencoded') return { body: new URLSearchParams(fieldsOf(body)).toString(), contentType: null };
  if (mediaType === 'multipart/form-data') return multipart(fieldsOf(body));
  return { body: JSON.stringify(body), contentType: declared === undefined ? 'application/json' : null };
}

function fieldsOf(body: Json): [string, string][] {
  if (!isObject(body)) throw refused('inputs_not_mapping', 'A form body of an http step is a mapping');
  return pairsOf(body);
}

function pairsOf(fields: JsonObject): [string, string][] {
  return Object.entries(fields).flatMap(([key, value]) => (Array.isArray(value) ? value : [value]).flatMap((item) => pairOf(key, item)));
}

function pairOf(key: string, value: Json): [string, string][] {
  if (value === null) return [];
  return [[key, typeof value === 'object' ? JSON.stringify(value) : String(value)]];
}

/** RFC 7578. The boundary follows from the content, so that a retry sends the same bytes. */
function multipart(fields: readonly [string, string][]) {
  const boundary = createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 40);
  const parts = fields.map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${formName(name)}"\r\n\r\n${value}\r\n`,
  );
  return { body: `${parts.join('')}--${boundary}--\r\n`, contentType: `multipart/form-data; boundary=${boundary}` };
}

/** As browsers write them. */
function formName(name: string): string {
  return name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
}

function refused(code: 'invalid_value' | 'inputs_not_mapping', message: string): StepFailure {
  return new StepFailure(code, message, { retryable: false });
}
