const REDACTED = '***';

/**
 * Text that comes in pieces and goes on as soon as it may: secrets in it are struck out, also where they are cut in two. So what may be the beginning
 * of one is held back until more is known.
 */
export class TokenStream {
  private held = '';

  constructor(
    private readonly secrets: readonly string[],
    private readonly tell: (text: string) => void,
  ) {}

  push(text: string): void {
    this.held = this.redacted(this.held + text);
    const keep = this.secrets.reduce((most, secret) => Math.max(most, overlap(this.held, secret)), 0);
    this.give(this.held.length - keep);
  }

  end(): void {
    this.give(this.held.length);
  }

  private give(length: number): void {
    if (length > 0) this.tell(this.held.slice(0, length));
    this.held = this.held.slice(length);
  }

  private redacted(text: string): string {
    return this.secrets.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
  }
}

/** How many of a text's last characters are a beginning of the secret. */
function overlap(text: string, secret: string): number {
  for (let length = Math.min(text.length, secret.length - 1); length > 0; length -= 1)
    if (text.endsWith(secret.slice(0, length))) return length;
  return 0;
}
