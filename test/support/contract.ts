import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** What a client got: `json` is undefined where the body is none. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}
interface Response {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}
interface Operation {
  readonly responses: Readonly<Record<string, Response>>;
}
interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Refusals of the door itself, before any operation is known or whichever it is. */
const OF_ANY_OPERATION = new Set([405, 406, 408, 431]);
/** Headers that clients act on. What every answer has is not listed with each, nor what comes with any refusal. */
const TOLD = [
  'deprecation',
  'etag',
  'idempotency-replayed',
  'link',
  'location',
  'preference-applied',
  'retry-after',
  'warning',
  'x-next-cursor',
];
const PROBLEM: Schema = { $ref: '#/components/schemas/ProblemDocument' };

const document = JSON.parse(readFileSync(join(process.cwd(), 'docs', 'openapi.json'), 'utf8')) as OpenApiDocument;
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ $id: 'contract', components: document.components });
const validators = new Map<string, ValidateFunction>();
// Literal paths first: /executions/run is no execution of the id "run".
const templates = Object.keys(document.paths)
  .sort((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
  .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`) }));

/** Fails unless docs/openapi.json promises this answer to this request: status, headers, media type, body and every field of it. */
export function expectContract(method: string, url: string, answer: Answer): void {
  const name = `${method} ${url} -> ${answer.status}`;
  const mediaType = (answer.headers.get('content-type') ?? '').split(';')[0]!.trim();
  const operation = operationOf(method, url);
  if (operation === null || OF_ANY_OPERATION.has(answer.status)) {
    expect([name, mediaType]).toEqual([name, 'application/problem+json']);
    expectSchema(name, PROBLEM, answer.json);
    expect([name, [404, ...OF_ANY_OPERATION].includes(answer.status)]).toEqual([name, true]);
    return;
  }
  const promised = operation.responses[String(answer.status)];
  expect([name, promised === undefined ? 'not promised' : 'promised']).toEqual([name, 'promised']);
  if (answer.status < 400) {
    const declared = Object.keys(promised?.headers ?? {}).map((header) => header.toLowerCase());
    const undeclared = TOLD.filter((header) => answer.headers.has(header) && !declared.includes(header));
    expect([name, undeclared]).toEqual([name, []]);
  }
  const content = promised?.content ?? {};
  if (Object.keys(content).length === 0) {
    expect([name, answer.text]).toEqual([name, '']);
    return;
  }
  expect([name, Object.keys(content)]).toEqual([name, expect.arrayContaining([mediaType])]);
  const schema = content[mediaType]?.schema;
  if (schema !== undefined && mediaType.endsWith('json')) expectSchema(name, schema, answer.json);
}

function operationOf(method: string, url: string): Operation | null {
  const path = url.split('?')[0]!.replace(/^\/api(?=\/)/, '');
  const template = templates.find(({ pattern }) => pattern.test(path));
  return (template && document.paths[template.path]?.[method.toLowerCase()]) ?? null;
}

function expectSchema(name: string, schema: Schema, body: unknown): void {
  const key = JSON.stringify(schema);
  let validate = validators.get(key);
  if (validate === undefined) {
    validate = ajv.compile(JSON.parse(key.replaceAll('"#/components', '"contract#/components')) as object);
    validators.set(key, validate);
  }
  const valid = validate(body);
  expect([name, valid, validate.errors]).toEqual([name, true, null]);
  expectFields(name, schema, body);
}

/** Every field of a schema is always there, and no other. */
function expectFields(name: string, schema: Schema, body: unknown): void {
  if (schema.items !== undefined && Array.isArray(body)) {
    for (const item of body) expectFields(name, schema.items, item);
    return;
  }
  const fields = (schema.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').at(-1)!])?.properties;
  if (fields === undefined || typeof body !== 'object' || body === null) return;
  expect([name, Object.keys(body).sort()]).toEqual([name, Object.keys(fields).sort()]);
}
