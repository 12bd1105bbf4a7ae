import fc from 'fast-check';
import { RequestPipe } from '../../src/common/request-pipe.js';
import { type DtoClass } from '../../src/common/schema-of.js';
import { findingsOf } from '../../src/common/validation-wording.js';
import { canonicalise, wireFieldsOf } from '../../src/common/wire-field.js';
import { type JsonObject } from '../../src/engine/values.js';
import { CatalogResourceQuery, ListCatalogQuery } from '../../src/catalog/dto/catalog.queries.js';
import {
  EntryStatusRequest,
  PutCatalogTagRequest,
  PutPlaybookContentRequest,
  RegisterCatalogEntryRequest,
  ValidatePlaybookRequest,
} from '../../src/catalog/dto/catalog.requests.js';
import { CredentialRequest } from '../../src/credentials/dto/credential.request.js';
import { CancelRequest } from '../../src/execution/dto/cancel-request.js';
import { ExecutionByIdRequest } from '../../src/execution/dto/execution-by-id.request.js';
import { ExecutionByPathRequest } from '../../src/execution/dto/execution-by-path.request.js';
import { ModelExecutionRequest } from '../../src/execution/dto/model-execution.request.js';
import { ForkRequest } from '../../src/execution/dto/fork-request.js';
import { PauseRequest } from '../../src/execution/dto/pause-request.js';
import { RerunRequest } from '../../src/execution/dto/rerun-request.js';
import { SignalRequest } from '../../src/execution/dto/signal-request.js';
import { ToolExecutionRequest } from '../../src/execution/dto/tool-execution.request.js';

/** Every class that a body is checked against. */
const BODIES: readonly (readonly [DtoClass, JsonObject])[] = [
  [ExecutionByIdRequest, { playbook_id: 'a' }],
  [ExecutionByPathRequest, { path: 'a' }],
  [ToolExecutionRequest, { path: 'a', execution_type: 'tool' }],
  [ModelExecutionRequest, { path: 'a', execution_type: 'model' }],
  [CancelRequest, {}],
  [RerunRequest, {}],
  [ForkRequest, { from_step: 'a' }],
  [PauseRequest, {}],
  [SignalRequest, { name: 'a' }],
  [RegisterCatalogEntryRequest, {}],
  [ValidatePlaybookRequest, { content: 'a' }],
  [PutPlaybookContentRequest, { content: 'a' }],
  [PutCatalogTagRequest, { version: '1.0.0' }],
  [EntryStatusRequest, {}],
  [CredentialRequest, { name: 'a', type: 'generic', data: { a: 1 } }],
  [CatalogResourceQuery, { resource_path: 'a' }],
  [ListCatalogQuery, {}],
];

const FIELDS = [
  'path',
  'playbook_id',
  'version',
  'execution_type',
  'parameters',
  'merge',
  'sync_to_postgres',
  'context',
  'metadata',
  'parent_execution_id',
  'parent_step',
  'tool_name',
  'arguments',
  'model_name',
  'inputs',
  'inference_config',
  'reason',
  'cascade',
  'force',
  'content',
  'content_base64',
  'tags',
  'strict',
  'resource_path',
  'resource_type',
  'limit',
  'cursor',
  'surplus',
  'constructor',
  'then',
];
const text = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.constantFrom('', 'latest', 'tool', 'model', 'playbook', 'workflow', 'a'.repeat(256), 'a'.repeat(257), 'a'.repeat(1025)),
);
const scalar = fc.oneof(text, fc.boolean(), fc.integer(), fc.double({ noNaN: true }), fc.constant(null));
const context = fc.dictionary(
  fc.constantFrom('parent_execution_id', 'parent_event_id', 'parent_step', 'surplus', 'constructor', 'then'),
  scalar,
  { maxKeys: 3 },
);
const value = fc.oneof(
  scalar,
  context,
  fc.array(scalar, { maxLength: 2 }),
  fc.dictionary(
    fc.oneof(
      fc.string({ maxLength: 3 }).filter((key) => key !== '__proto__'),
      fc.constantFrom('constructor', 'prototype', 'then'),
    ),
    scalar,
    { maxKeys: 2 },
  ),
);

/** The body as both rules see it; undefined where two names of one field differ, which is refused before either is asked. */
function canonical(dto: DtoClass, body: JsonObject): JsonObject | undefined {
  const copy = structuredClone(body);
  try {
    canonicalise(copy, wireFieldsOf(dto.prototype as object));
    return copy;
  } catch {
    return undefined;
  }
}

describe.each(BODIES.map(([dto, minimum]) => [dto.name, dto, minimum] as const))('%s', (_name, dto, minimum) => {
  it('is judged alike by the compiled schema and by class-validator', () => {
    const pipe = new RequestPipe(dto);
    const verdicts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 3 }), fc.boolean(), (fields, complete) => {
        const body = { ...(complete ? minimum : {}), ...fields } as JsonObject;
        const copy = canonical(dto, body);
        fc.pre(copy !== undefined);
        const words = findingsOf(dto, copy as JsonObject).length === 0;
        let schema = true;
        try {
          pipe.transform(structuredClone(body));
        } catch {
          schema = false;
        }
        verdicts[schema ? 'accepted' : 'refused']++;
        expect([body, words]).toEqual([body, schema]);
      }),
      { numRuns: 2_000 },
    );
    expect(Math.min(verdicts.accepted, verdicts.refused)).toBeGreaterThan(20);
  });
});
