/** What the rest of the engine and the steps use of the template language. */
export { type Block, type Expression, type Statement } from './ast.js';
export {
  compileExpression,
  compileParts,
  compileTemplate,
  mayHoldTemplate,
  type PartsTemplate,
  type Template,
} from './compile-template.js';
export { type Part, type Slotted } from './statements.js';
export { compileCondition, type Condition, isTruthy } from './condition.js';
export { TemplateError, TemplateSyntaxError } from './template-error.js';
export { compileValue, type ValueTemplate } from './value.js';
