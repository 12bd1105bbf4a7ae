import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ERROR_CODES } from '../../src/engine/error-codes.js';
import { SERVICE_VERSION } from '../../src/config/service-version.js';
import { generatedDocuments } from '../../src/openapi/generated-documents.js';

interface MediaType {
  readonly schema?: object;
  readonly example?: unknown;
  readonly examples?: Record<string, { readonly value: unknown }>;
}
interface Operation {
  readonly operationId?: string;
  readonly requestBody?: { readonly required?: boolean; readonly content: Record<string, MediaType> };
  readonly responses: Record<string, { readonly content?: Record<string, MediaType> }>;
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly servers: { readonly url: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, { readonly enum?: unknown[]; readonly properties?: Record<string, object> }> };
}

const docs = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');
let generated: ReadonlyMap<string, string>;
let document: Document;
let operations: [string, Operation][];

beforeAll(async () => {
  generated = await generatedDocuments();
  document = JSON.parse(generated.get('openapi.json') ?? '') as Document;
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [`${method} ${path}`, operation] as [string, Operation]),
  );
});

describe('the OpenAPI document', () => {
  it.each(['openapi.json', 'errors.md'])('docs/%s is current (npm run openapi)', (name) => expect(docs(name)).toBe(generated.get(name)));

  it('is 3.1, of the version of the package, and serves both prefixes', () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string };
    expect([document.openapi, document.info.version, SERVICE_VERSION]).toEqual(['3.1.0', version, version]);
    expect(document.servers.map(({ url }) => url)).toEqual(['/', '/api']);
  });

  it('tells of every error code what to do', () => expect(generated.get('errors.md')).not.toContain('Read the message.'));

  it('names every operation once', () => {
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(ids.filter((id) => !id || !/^[a-z][A-Za-z]+$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('names every schema of bodies and answers, and every enum', () => {
    const unnamed = operations.flatMap(([name, { requestBody, responses }]) =>
      [requestBody, ...Object.values(responses)].flatMap((part) =>
        Object.values(part?.content ?? {})
          .filter(({ schema }) => !/^\{("(\$ref|oneOf|type":"array","items":\{"\$ref|type":"string)|\})/.test(JSON.stringify(schema)))
          .map(() => name),
      ),
    );
    expect(unnamed).toEqual([]);
    const inline = Object.entries(document.components.schemas).filter(([, { properties }]) =>
      Object.values(properties ?? {}).some((property) => 'enum' in property),
    );
    expect(inline.map(([name]) => name)).toEqual([]);
  });

  it('answers every operation with problem documents', () => {
    for (const [name, { responses }] of operations) {
      const problems = Object.entries(responses).filter(([status]) => Number(status) >= 400);
      expect([name, problems.length > 3]).toEqual([name, true]);
      for (const [, { content }] of problems)
        expect(content).toEqual({ 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDocument' } } });
    }
  });

  it('promises what the door says of bodies to every operation that may be sent one', () => {
    const silent = operations.filter(([name, { responses }]) => /^(post|put|patch) /.test(name) && !(responses['413'] && responses['415']));
    expect(silent.map(([name]) => name)).toEqual([]);
  });

  it.each([
    ['registerCatalogEntry', ['content', 'content_base64']],
    ['rerunExecution', ['start_at', 'delay']],
    ['forkExecution', ['start_at', 'delay']],
    ['saveMcpServer', ['url', 'command']],
  ])('shows a body of %s, as one with every field would be refused', (id, exclusive) => {
    const bodies = operations
      .filter(([, { operationId }]) => operationId === id)
      .flatMap(([, { requestBody }]) => Object.values(requestBody?.content['application/json']?.examples ?? {}));
    expect(bodies).not.toEqual([]);
    for (const { value } of bodies) expect(exclusive.filter((field) => field in (value as object)).length).toBeLessThan(2);
  });

  it('says which bodies may be left out', () => {
    const optional = operations
      .filter(([, { requestBody }]) => requestBody && !requestBody.required)
      .map(([, { operationId }]) => operationId);
    expect(optional.sort()).toEqual([
      'cancelExecution',
      'deprecateCatalogEntry',
      'listCatalogByPost',
      'pauseExecution',
      'rerunExecution',
      'restoreCatalogEntry',
      'stopExecution',
      'yankCatalogEntry',
    ]);
  });

  it('describes an enum where it is used: what is said of one use does not hold for all', () => {
    const described = Object.entries(document.components.schemas).filter(([, schema]) => schema.enum && 'description' in schema);
    expect(described.map(([name]) => name)).toEqual([]);
  });

  it('lists every error code', () => expect(document.components.schemas.ErrorCode?.enum).toEqual(Object.keys(ERROR_CODES)));

  it('discriminates the bodies of POST /execute by execution_type', () => {
    const schema = document.paths['/execute']?.post?.requestBody?.content['application/json']?.schema;
    expect(schema).toMatchObject({
      discriminator: { propertyName: 'execution_type', mapping: { tool: '#/components/schemas/ToolExecutionRequest' } },
    });
    expect(document.components.schemas.ModelExecutionRequest?.properties).toMatchObject({ execution_type: { const: 'model' } });
  });

  it('has examples that validate', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    let checked = 0;
    for (const [name, { requestBody, responses }] of operations) {
      for (const part of [requestBody, ...Object.values(responses)]) {
        for (const { schema, example, examples } of Object.values(part?.content ?? {})) {
          const validate = ajv.compile({ ...schema, components: document.components });
          for (const value of [...(example === undefined ? [] : [example]), ...Object.values(examples ?? {}).map((named) => named.value)]) {
            expect([name, validate(value), validate.errors]).toEqual([name, true, null]);
            checked++;
          }
        }
      }
    }
    expect(checked).toBeGreaterThanOrEqual(8);
  });
});

describe('the owner’s document', () => {
  it('finds its request examples word for word', () => {
    const examples = operations.flatMap(([, { requestBody }]) =>
      Object.values(requestBody?.content ?? {}).flatMap((media) => Object.values(media.examples ?? {}).map(({ value }) => value)),
    );
    expect(examples).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          playbook_id: 'tests/fixtures/playbooks/hello_world/hello_world',
          merge: false,
          parent_step: 'fetch_data',
        }),
        expect.objectContaining({ version: 'v1.2.0', sync_to_postgres: true, metadata: { triggered_by: 'scheduler', priority: 'high' } }),
        expect.objectContaining({ path: 'tools/data_validator', execution_type: 'tool' }),
        expect.objectContaining({ path: 'models/sentiment_analysis', execution_type: 'model' }),
      ]),
    );
  });
});
