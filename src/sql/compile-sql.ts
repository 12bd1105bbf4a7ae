import { type SqlPolicy } from '../engine/database-port.js';
import { EngineError } from '../engine/engine-error.js';
import { type Rendering } from '../engine/template/rendering.js';
import { type Scope } from '../engine/template/scope.js';
import { compileParts, type PartsTemplate, TemplateSyntaxError } from '../engine/template/template.js';
import { arrangeStatements } from './arrange.js';
import { type Binds } from './binds.js';
import { checkPlaces } from './check-places.js';
import { type Dialect } from './sql-lexer.js';
import { SqlPlaceError } from './sql-place-error.js';
import { type SqlStatement } from './sql-statement.js';

/** SQL with templates in it, compiled once. Immutable. */
export interface SqlTemplate {
  readonly source: string;
  /** Root names it may read from the scope. */
  readonly names: ReadonlySet<string>;
  /**
   * Its statements in order, without those that are only comments, each value in the form of its place.
   * Throws TemplateError, and StepFailure where a value has no place.
   */
  render(
    scope: Scope,
    rendering: Rendering,
    options: { readonly unsafe: SqlPolicy['unsafe']; readonly binds: Binds | null },
  ): SqlStatement[];
}

/**
 * Compiles SQL text. Every `{{ expr }}` gets the form of the place where it stands, the way html/template does it.
 * @param pointer where the text stands in the action, for the issue
 * @throws EngineError (invalid_document) with one issue: template_syntax, or sql_context where a value has no place that
 *   could be known
 */
export function compileSql(text: string, dialect: Dialect, pointer: string): SqlTemplate {
  const parts = compiled(text, dialect, pointer);
  return {
    source: text,
    names: parts.names,
    render: (scope, rendering, options) => arrangeStatements(parts.render(scope, rendering), { ...options, dialect }),
  };
}

function compiled(text: string, dialect: Dialect, pointer: string): PartsTemplate {
  try {
    return compileParts(text, (block) => checkPlaces(block, dialect));
  } catch (error) {
    const code = error instanceof TemplateSyntaxError ? 'template_syntax' : error instanceof SqlPlaceError ? 'sql_context' : null;
    if (code === null) throw error;
    const { message } = error as Error;
    throw new EngineError('invalid', 'invalid_document', message, [{ code, message, pointer }]);
  }
}
