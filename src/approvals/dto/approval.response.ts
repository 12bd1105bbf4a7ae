import { ApiProperty } from '@nestjs/swagger';
import { JSON_VALUE } from '../../common/dto/json-value.js';
import { APPROVAL_STATES, APPROVAL_WORDS, type ApprovalState, type ApprovalWord } from '../../engine/approvals.js';
import { withoutMarkers } from '../../engine/auth/secret-markers.js';
import { type Json } from '../../engine/values.js';
import { optionalTimeOf, timeOf } from '../../status/dto/time-text.js';
import { shown } from '../../status/shown.js';
import { type ApprovalRecord } from '../../storage/approval-record.js';

const ID = { pattern: '^[0-9]+$', example: '415923710348034048' };
const TIME = { format: 'date-time', example: '2025-10-11T10:30:00.000Z' };

/** Who may decide: whoever has one of the scopes, or is one of the subjects. */
export class ApprovalApprovers {
  @ApiProperty({ type: [String], example: ['finance:approve'] })
  readonly scopes!: readonly string[];

  @ApiProperty({ type: [String], description: 'Subjects of principals.', example: ['ann@example.com'] })
  readonly subjects!: readonly string[];
}

/** What one principal decided. */
export class ApprovalDecision {
  @ApiProperty({ description: 'Subject of the principal.', example: 'ann@example.com' })
  readonly by!: string;

  @ApiProperty({ enum: APPROVAL_WORDS, enumName: 'ApprovalWord' })
  readonly decision!: ApprovalWord;

  @ApiProperty({ type: String, nullable: true, example: 'Checked with the supplier.' })
  readonly comment!: string | null;

  @ApiProperty({ ...JSON_VALUE, description: 'What was filled in; null where nothing was.', example: { cost_center: 'K-17' } })
  readonly data!: Json;

  @ApiProperty({ ...TIME })
  readonly at!: string;
}

/** What an execution waits for that people have to decide. */
export class Approval {
  @ApiProperty({ ...ID })
  readonly id!: string;

  @ApiProperty({ ...ID, description: 'The execution that waits.' })
  readonly execution_id!: string;

  @ApiProperty({ description: 'Path of its catalog entry.', example: 'billing/close_month' })
  readonly path!: string;

  @ApiProperty({ description: 'Its version.', example: '1.2.0' })
  readonly version!: string;

  @ApiProperty({ description: 'The step that asks.', example: 'release' })
  readonly step!: string;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Counts the times that the step has asked.' })
  readonly wave!: number;

  @ApiProperty({ example: 'Pay invoice 17?' })
  readonly title!: string;

  @ApiProperty({ type: String, nullable: true, example: '4,200.00 EUR to ACME' })
  readonly message!: string | null;

  @ApiProperty({ ...JSON_VALUE, description: 'What it is about.', example: { invoice: 17, amount: 4200 } })
  readonly data!: Json;

  @ApiProperty({
    ...JSON_VALUE,
    description: 'JSON Schema 2020-12 of the data that an approval has to have; null: any or none.',
    example: { type: 'object', required: ['cost_center'], properties: { cost_center: { type: 'string' } } },
  })
  readonly form!: Json;

  @ApiProperty({ type: () => ApprovalApprovers })
  readonly approvers!: ApprovalApprovers;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: 100, description: 'So many different principals have to approve.' })
  readonly quorum!: number;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Who started the execution, and may not decide; null where nobody is authenticated.',
    example: 'bob@example.com',
  })
  readonly requested_by!: string | null;

  @ApiProperty({
    enum: APPROVAL_STATES,
    enumName: 'ApprovalState',
    description: 'open: it can be decided. cancelled: its step ended otherwise, as where the execution failed or was cancelled.',
  })
  readonly state!: ApprovalState;

  @ApiProperty({ type: () => [ApprovalDecision], description: 'In the order in which they were taken.' })
  readonly decisions!: readonly ApprovalDecision[];

  @ApiProperty({ ...TIME })
  readonly created_at!: string;

  @ApiProperty({ type: String, nullable: true, ...TIME, description: 'No decision is taken from then on; null: it waits for good.' })
  readonly expires_at!: string | null;

  @ApiProperty({ type: String, nullable: true, ...TIME })
  readonly closed_at!: string | null;

  static from(record: ApprovalRecord): Approval {
    const { id, path, version, step, wave, title, message, approvers, quorum, state } = record;
    return {
      id,
      execution_id: record.executionId,
      path,
      version,
      step,
      wave,
      title: shown(title),
      message: shown(message),
      data: shown(record.data),
      // Fields of a form may be called password: that says what is asked, and is no secret.
      form: withoutMarkers(record.form),
      approvers,
      quorum,
      requested_by: record.requestedBy[0] ?? null,
      state,
      decisions: record.decisions.map(({ by, decision, comment, data, at }) => ({ by, decision, comment, data: shown(data), at })),
      created_at: timeOf(record.createdAt),
      expires_at: optionalTimeOf(record.expiresAt),
      closed_at: optionalTimeOf(record.closedAt),
    };
  }
}
