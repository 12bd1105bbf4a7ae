import { STATUS_CODES } from 'node:http';
import { type OpenAPIObject } from '@nestjs/swagger';
import { toldHeader } from '../common/told-header.js';
import { isObject, type JsonObject } from '../engine/values.js';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
/** Of a page of a list, as `linkNextPage` sets them. */
const PAGE_HEADERS = {
  Link: toldHeader('rel="next": the next page; left out on the last one.'),
  'X-Next-Cursor': toldHeader('The cursor of the next page; left out on the last one.'),
};
const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDocument' } } };

/**
 * Adds what every operation has and no decorator should repeat: answers with problem documents, where lists go on, and requests without
 * unknown fields. Sorted, so that a difference between two documents is one between two contracts.
 */
export function completed(document: OpenAPIObject): OpenAPIObject {
  const { paths, components } = document as unknown as {
    paths: Record<string, JsonObject>;
    components: { schemas: Record<string, JsonObject> };
  };
  for (const path of Object.values(paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (!isObject(operation)) continue;
      addProblems(operation, method);
      if (isPaged(operation, components.schemas)) addPageHeaders(operation);
    }
  }
  for (const name of requestSchemas(paths, components.schemas)) {
    const schema = components.schemas[name];
    if (schema?.properties !== undefined) schema.additionalProperties ??= false;
  }
  // Nest gives an enum the description of whichever use it saw first; each use has its own.
  for (const schema of Object.values(components.schemas)) if (schema.enum !== undefined) delete schema.description;
  return {
    ...document,
    paths: sorted(paths),
    components: { ...components, schemas: sorted(components.schemas) },
  } as unknown as OpenAPIObject;
}

function addProblems(operation: JsonObject, method: string): void {
  const responses = operation.responses as Record<string, JsonObject>;
  const hasInput = operation.requestBody !== undefined || (operation.parameters as unknown[]).length > 0;
  const needed = [
    '400',
    '429',
    '500',
    '503',
    ...(isPublic(operation) ? [] : ['401', '403']),
    ...(hasInput ? ['404', '422'] : []),
    // A body is read before it is known who does not want one.
    ...(['get', 'delete'].includes(method) ? [] : ['413', '415']),
  ];
  for (const status of needed) responses[status] ??= { description: STATUS_CODES[status] ?? '' };
  for (const [status, response] of Object.entries(responses)) {
    if (Number(status) >= 400 && response.content === undefined) response.content = structuredClone(PROBLEM);
  }
  operation.responses = sorted(responses);
  if (isPublic(operation)) operation.security = [];
}

/** Whether a request says by a cursor where a list goes on: in its query, or in its body for clients that post. */
function isPaged({ parameters, requestBody }: JsonObject, schemas: Readonly<Record<string, JsonObject>>): boolean {
  if ((parameters as JsonObject[]).some(({ name }) => name === 'cursor')) return true;
  const [, body = ''] = /"#\/components\/schemas\/([^"]+)"/.exec(JSON.stringify(requestBody ?? null)) ?? [];
  const properties = schemas[body]?.properties;
  return isObject(properties) && 'cursor' in properties;
}

function addPageHeaders(operation: JsonObject): void {
  const page = (operation.responses as Record<string, JsonObject>)['200'];
  if (page) page.headers = { ...(page.headers as JsonObject | undefined), ...PAGE_HEADERS };
}

/** Health is for everybody; nothing else that is described here is. */
const isPublic = ({ tags }: JsonObject): boolean => Array.isArray(tags) && tags.includes('health');

/** Names of the schemas that request bodies use, directly or through others. */
function requestSchemas(paths: Record<string, JsonObject>, schemas: Record<string, JsonObject>): Set<string> {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    for (const [, name] of JSON.stringify(node ?? null).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (name === undefined || found.has(name)) continue;
      found.add(name);
      visit(schemas[name]);
    }
  };
  for (const path of Object.values(paths))
    for (const operation of Object.values(path)) if (isObject(operation)) visit(operation.requestBody);
  return found;
}

function sorted<T>(map: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
