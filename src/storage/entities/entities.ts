import { PlaybookEntity } from './playbook.entity.js';
import { PlaybookTagEntity } from './playbook-tag.entity.js';
import { PlaybookTagMoveEntity } from './playbook-tag-move.entity.js';
import { ExecutionEntity } from './execution.entity.js';
import { ExecutionPayloadEntity } from './execution-payload.entity.js';
import { ExecutionEventEntity } from './execution-event.entity.js';
import { ExecutionBlobEntity } from './execution-blob.entity.js';
import { ExecutionInboxEntity } from './execution-inbox.entity.js';
import { ExecutionSnapshotEntity } from './execution-snapshot.entity.js';
import { IdempotencyKeyEntity } from './idempotency-key.entity.js';
import { BulkOperationEntity } from './bulk-operation.entity.js';
import { CredentialEntity } from './credential.entity.js';
import { McpServerEntity } from './mcp-server.entity.js';
import { McpToolEntity } from './mcp-tool.entity.js';
import { CatalogHeadEntity } from './catalog-head.entity.js';
import { McpAnswerEntity } from './mcp-answer.entity.js';
import { ApprovalEntity } from './approval.entity.js';
import { NodeEntity } from './node.entity.js';
import { SigningKeyEntity } from './signing-key.entity.js';

/** One entity per table of the migrations. */
export const ENTITIES = [
  PlaybookEntity,
  PlaybookTagEntity,
  PlaybookTagMoveEntity,
  ExecutionEntity,
  ExecutionPayloadEntity,
  ExecutionEventEntity,
  ExecutionBlobEntity,
  ExecutionInboxEntity,
  ExecutionSnapshotEntity,
  IdempotencyKeyEntity,
  NodeEntity,
  BulkOperationEntity,
  CredentialEntity,
  McpServerEntity,
  McpToolEntity,
  CatalogHeadEntity,
  SigningKeyEntity,
  McpAnswerEntity,
  ApprovalEntity,
] as const;
