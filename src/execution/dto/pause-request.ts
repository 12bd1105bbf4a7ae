import { OptionalText } from '../../common/dto/optional-field.js';

/** How an execution is to be paused. */
export class PauseRequest {
  @OptionalText({ type: String, nullable: true, maxLength: 1024, description: 'Why; shown in the history.', example: 'maintenance' })
  readonly reason?: string | null;
}
