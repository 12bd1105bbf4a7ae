import { type DescribedEntry } from '../catalog/entry-descriptions.js';
import { BEARER_SCHEME } from '../common/bearer-scheme.js';
import { ProblemDocument } from '../common/dto/problem-document.js';
import { schemasOf } from '../common/schema-of.js';
import { executionTypeOf } from '../engine/playbook/execution-types.js';
import { inputSchemaOf } from '../engine/playbook/entry-schemas.js';
import { movedSchema } from '../engine/playbook/schema-walk.js';
import { type JsonObject } from '../engine/values.js';
import { ExecutionByPathRequest } from './dto/execution-by-path.request.js';
import { ExecutionResponse } from './dto/execution-response.js';

const SCHEMAS = '#/components/schemas/';
const VERSION_OF_OPEN_API = '3.1.0';

/** The schemas of the API that the document is made of; made once, when the first document is asked for. */
let parts: Record<string, JsonObject> | undefined;

/**
 * An OpenAPI 3.1 document of one entry: `POST /execute` with its parameters and its result as types. What generators of clients read.
 */
export function openApiOf(described: DescribedEntry): JsonObject {
  const { entry, playbook } = described;
  const { contract, metadata } = playbook;
  const name = typeNameOf(entry.path);
  const [parameters, result, request, response] = ['Parameters', 'Result', 'Request', 'Execution'].map((part) => `${name}${part}`) as [
    string,
    string,
    string,
    string,
  ];
  parts ??= { ...schemasOf(ExecutionByPathRequest), ...schemasOf(ExecutionResponse), ...schemasOf(ProblemDocument) };
  const { ExecutionByPathRequest: byPath, ExecutionResponse: execution, PlaybookExecutionType: _, ...shared } = parts;
  const { required } = inputSchemaOf(playbook).schema;
  const mustSend = Array.isArray(required) && required.length > 0;
  const schemas: JsonObject = {
    ...shared,
    [parameters]: movedSchema(inputSchemaOf(playbook).schema, `${SCHEMAS}${parameters}`),
    [result]: contract.outputSchema ? movedSchema(contract.outputSchema, `${SCHEMAS}${result}`) : {},
    [request]: {
      ...withProperties(byPath!, {
        path: { type: 'string', const: entry.path },
        version: { type: 'string', const: entry.version },
        execution_type: { type: 'string', const: executionTypeOf(entry.kind) },
        parameters: { $ref: `${SCHEMAS}${parameters}` },
      }),
      required: ['path', 'version', ...(mustSend ? ['parameters'] : [])],
    },
    [response]: withProperties(execution!, {
      result: { anyOf: [{ $ref: `${SCHEMAS}${result}` }, { type: 'null' }], description: 'null until the execution has completed.' },
    }),
  };
  const content = (type: string): JsonObject => ({ 'application/json': { schema: { $ref: `${SCHEMAS}${type}` } } });
  const about: JsonObject = metadata.description === null ? {} : { description: metadata.description };
  const title = contract.title ?? contract.annotations.title ?? entry.name;
  return {
    openapi: VERSION_OF_OPEN_API,
    info: { title, version: entry.version, ...about },
    servers: [{ url: '/' }, { url: '/api' }],
    paths: {
      '/execute': {
        post: {
          operationId: `execute${name}`,
          summary: title,
          ...about,
          parameters: [
            {
              name: 'Prefer',
              in: 'header',
              required: false,
              schema: { type: 'string', examples: ['wait=10'] },
              description: 'Seconds to wait for the end.',
            },
            { name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string' } },
          ],
          requestBody: { required: true, content: content(request) },
          responses: {
            200: { description: 'Ended within the wait.', content: content(response) },
            202: { description: 'Accepted; it goes on.', content: content(response) },
            default: {
              description: 'A problem document (RFC 9457).',
              content: { 'application/problem+json': { schema: { $ref: `${SCHEMAS}ProblemDocument` } } },
            },
          },
        },
      },
    },
    components: { schemas, securitySchemes: { bearer: { ...BEARER_SCHEME } } },
    // Where no issuer is configured, nobody is asked.
    security: [{ bearer: [] }, {}],
  };
}

function withProperties(schema: JsonObject, properties: JsonObject): JsonObject {
  return { ...schema, properties: { ...(schema['properties'] as JsonObject), ...properties } };
}

/** `tools/data_validator` is ToolsDataValidator. */
function typeNameOf(path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const name = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
  return /^[A-Za-z]/.test(name) ? name : `Entry${name}`;
}
