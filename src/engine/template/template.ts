/** What the rest of the engine and the steps use of the template language. */
export { compileExpression, compileTemplate, mayHoldTemplate, type Template } from './compile-template.js';
export { compileCondition, type Condition, isTruthy } from './condition.js';
export { TemplateError, TemplateSyntaxError } from './template-error.js';
export { compileValue, type ValueTemplate } from './value.js';
