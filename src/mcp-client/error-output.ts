import { type Redactor } from '../engine/auth/redactor.js';

const MOST_CHARACTERS = 16_384;

/**
 * What a process says on its error output, up to a bound over its life and without the secrets that it knows. Told by whole lines: what comes in pieces
 * may have a secret across two of them.
 */
export class ErrorOutput {
  private pending = '';
  private left = MOST_CHARACTERS;

  constructor(
    private readonly redactor: Redactor,
    private readonly tell: (text: string) => void,
  ) {}

  readonly hear = (text: string): void => {
    if (this.left <= 0) return;
    this.pending += text.slice(0, this.left);
    this.left -= text.length;
    if (this.left <= 0) this.flush(`\n[output cut at ${MOST_CHARACTERS} bytes]\n`);
    const end = this.pending.lastIndexOf('\n');
    if (end >= 0) this.flush('', end);
  };

  /** Nothing comes any more: the last line may have no end. */
  end(): void {
    this.flush('');
  }

  private flush(note: string, end = this.pending.length): void {
    const said = this.redactor.prints(this.pending.slice(0, end) + note).trimEnd();
    this.pending = this.pending.slice(end + 1);
    if (said !== '') this.tell(said);
  }
}
