import { ApiPropertyOptional } from '@nestjs/swagger';

/** What an author says about the behaviour of an entry, in the words of MCP. Hints: nothing is enforced. */
export class EntryAnnotationsView {
  @ApiPropertyOptional({ type: String, example: 'Data validator' })
  readonly title?: string;

  @ApiPropertyOptional({ type: Boolean, description: 'It changes nothing outside of itself.' })
  readonly readOnlyHint?: boolean;

  @ApiPropertyOptional({ type: Boolean, description: 'What it changes may be lost.' })
  readonly destructiveHint?: boolean;

  @ApiPropertyOptional({ type: Boolean, description: 'A second call with the same arguments changes nothing more.' })
  readonly idempotentHint?: boolean;

  @ApiPropertyOptional({ type: Boolean, description: 'It deals with the world outside.' })
  readonly openWorldHint?: boolean;
}
