import { OptionalText } from '../../common/dto/optional-field.js';
import { NumberAsText } from '../../common/wire-field.js';

export const LABEL = { type: String, nullable: true, maxLength: 256 } as const;

/** Who started an execution: labels of the caller's own, opaque here. */
export class ExecutionContext {
  @OptionalText({ ...LABEL, example: 'exec_123', description: 'Id of the parent execution.' })
  @NumberAsText()
  readonly parent_execution_id?: string | null;

  @OptionalText({ ...LABEL, example: 'event_456', description: 'Id of the event of the parent that started this one.' })
  @NumberAsText()
  readonly parent_event_id?: string | null;

  @OptionalText({ ...LABEL, example: 'fetch_data', description: 'Step of the parent that started this one.' })
  @NumberAsText()
  readonly parent_step?: string | null;
}
