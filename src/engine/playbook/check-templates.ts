import { TemplateSyntaxError } from '../template/template-error.js';
import { compileTemplate } from '../template/template.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { CONTRACT_KEYS } from './contract.js';
import { type Findings } from './findings.js';
import { at, type SourcePositions } from './source-positions.js';

/** Texts that are names, notes or programs: templates do not apply to them, and code is full of other braces. */
const VERBATIM: readonly string[] = [
  ...['step', 'type', 'tool', 'action', 'as', 'element', 'iterator', 'desc', 'description'],
  ...['code', 'code_b64', 'command_b64', 'commands_b64', 'content', 'end_loop'],
];
/** SQL in base64 holds templates like any other; the places inside it mean nothing to a reader of the document. */
const ENCODED_SQL: readonly string[] = ['command_b64', 'commands_b64'];
/** Keys below which an action stands again, with verbatim texts of its own. */
const ACTIONS: readonly string[] = ['task', 'tasks', 'call', 'save', 'sink', 'storage', 'loop', 'compensate'];

/**
 * Parses every template of a document, so that a slip is found when the playbook is registered and not in the middle of
 * a run. It reads the document as written, whose lines the author knows. Conditions without braces need no look: what
 * does not parse as an expression is text.
 */
export function checkTemplates(root: JsonObject, positions: SourcePositions, findings: Findings): void {
  const check = new TemplateCheck(positions, findings);
  for (const key of ['workload', 'credentials', 'keychain', 'environment', 'messages', 'text', 'blob'])
    check.value(own(root, key) ?? null, at('', key));
  check.spec(own(root, 'spec') ?? null, '/spec');
  for (const key of ['workbook', 'workflow', 'steps']) check.action(own(root, key) ?? null, at('', key));
}

class TemplateCheck {
  constructor(
    private readonly positions: SourcePositions,
    private readonly findings: Findings,
  ) {}

  /** What a schema or a title says is never rendered. */
  spec(value: Json, pointer: string): void {
    if (!isObject(value)) return this.value(value, pointer);
    for (const [key, item] of Object.entries(value)) if (!CONTRACT_KEYS.includes(key)) this.value(item, at(pointer, key));
  }

  /** A step, a task, a save, or a list of them. */
  action(value: Json, pointer: string): void {
    if (Array.isArray(value)) value.forEach((item, index) => this.action(item, at(pointer, index)));
    else if (isObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if (ENCODED_SQL.includes(key) && typeof item === 'string')
          this.text(Buffer.from(item, 'base64').toString('utf8'), at(pointer, key), false);
        if (VERBATIM.includes(key)) continue;
        if (ACTIONS.includes(key)) this.action(item, at(pointer, key));
        else this.value(item, at(pointer, key));
      }
    } else this.value(value, pointer);
  }

  /** Anything whose texts may all be templates. */
  value(value: Json, pointer: string): void {
    if (Array.isArray(value)) value.forEach((item, index) => this.value(item, at(pointer, index)));
    else if (isObject(value)) for (const [key, item] of Object.entries(value)) this.value(item, at(pointer, key));
    else if (typeof value === 'string' && /\{[{%#]/.test(value)) this.text(value, pointer);
  }

  private text(text: string, pointer: string, readable = true): void {
    try {
      compileTemplate(text);
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError)) throw error;
      this.findings.error(
        'template_syntax',
        pointer,
        `This template cannot be parsed: ${error.message}`,
        readable ? this.positions.locateIn(pointer, error) : undefined,
      );
    }
  }
}
