import { StepFailure } from '../../engine/step-executor.js';
import { type Json } from '../../engine/values.js';
import { partsOf, type StringPart, textOf } from './python-text.js';

// {{ name.path }}: plain dotted names only; everything else in braces belongs to Python.
const PLACEHOLDER = /\{\{[ \t]*([A-Za-z_]\w*(?:\.\w+)*)[ \t]*\}\}/g;

/** True where the code may hold a placeholder, so that most code is never cut into parts. */
export function hasPlaceholder(code: string): boolean {
  return code.search(PLACEHOLDER) >= 0;
}

/**
 * Replaces the placeholders whose name `valueOf` knows (playbook language §6.2): by a Python literal in code, by their
 * text inside string literals, escaped so that a value can never end the literal it stands in. Others stay as they are.
 * Throws StepFailure (template_error) where a raw string cannot hold the text.
 */
export function fillPlaceholders(code: string, valueOf: (path: readonly string[]) => Json | undefined): string {
  const fill = (text: string, write: (value: Json) => string) =>
    text.replace(PLACEHOLDER, (whole, name: string) => {
      const value = valueOf(name.split('.'));
      return value === undefined ? whole : write(value);
    });
  return partsOf(code)
    .map((part) => {
      if (part.kind === 'string') return textOf({ ...part, body: fill(part.body, (value) => insideString(part, plainText(value))) });
      return part.kind === 'code' ? fill(part.text, pythonLiteral) : part.text;
    })
    .join('');
}

/** JSON as Python source on one line. */
export function pythonLiteral(value: Json): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  // A JSON string is a Python string literal as it stands; so is a JSON number.
  if (typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}: ${pythonLiteral(item)}`)
    .join(', ')}}`;
}

/** The text a template would write. */
function plainText(value: Json): string {
  if (value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\0': '\\x00' };

function insideString(part: StringPart, text: string): string {
  const prefix = part.prefix.toLowerCase();
  const inBraces = prefix.includes('f') ? text.replace(/[{}]/g, '$&$&') : text;
  if (prefix.includes('r')) {
    if (/[\\'"\n\r\0]/.test(inBraces)) {
      throw new StepFailure(
        'template_error',
        'A value with quotes, backslashes or line breaks cannot stand in a raw string of Python code',
        { retryable: false },
      );
    }
    return inBraces;
  }
  const escaped = inBraces.replace(/[\\'"]/g, '\\$&').replace(/[\n\r\0]/g, (character) => ESCAPES[character]!);
  return prefix.includes('b') ? escaped.replace(/[^\x00-\x7f]+/g, bytesOf) : escaped;
}

function bytesOf(text: string): string {
  return [...Buffer.from(text, 'utf8')].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}
