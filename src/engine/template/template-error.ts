/** A template that cannot be parsed. Found at registration, never while a run executes; line and column are 1-based within the text. */
export class TemplateSyntaxError extends Error {
  constructor(
    message: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(message);
    this.name = 'TemplateSyntaxError';
  }

  static at(text: string, offset: number, message: string): TemplateSyntaxError {
    const before = text.slice(0, offset);
    const lineStart = before.lastIndexOf('\n') + 1;
    let line = 1;
    for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line += 1;
    return new TemplateSyntaxError(message, line, offset - lineStart + 1);
  }
}

/**
 * A template that failed while rendering; the step fails with this code. Messages name kinds, names and the template's
 * own text, never values: they are recorded and shown.
 */
export class TemplateError extends Error {
  constructor(
    message: string,
    readonly code: 'template_error' | 'template_limit' = 'template_error',
  ) {
    super(message);
    this.name = 'TemplateError';
  }
}
