import { MAX_CALL_DEPTH } from './calls.js';
import { type Json } from '../values.js';
import { type Action, type Playbook } from './playbook.js';

/** Texts within texts, at most: what stands deeper could not be called anyway. */
export const MAX_INLINE_DEPTH = MAX_CALL_DEPTH;

/** A playbook that is written inside a step of another. */
export interface InlineContent {
  readonly text: string;
  /** Into the canonical form: /workflow/<n>/…/content or /workbook/<n>/…/content. */
  readonly pointer: string;
}

/**
 * Whether `content` says where the text comes from instead of being it: one template and nothing else. The templates inside a text are those of the
 * playbook that it is; rendering them here would let it see the variables of its caller (playbook language §6.7).
 */
export function isTemplatedContent(content: Json): boolean {
  return typeof content === 'string' && /^\s*\{\{(?:(?!\}\})[\s\S])*\}\}\s*$/.test(content);
}

/** Every text of a playbook that is written inside its steps and tasks, in the order of the document. */
export function inlineContents(playbook: Playbook): InlineContent[] {
  const found: InlineContent[] = [];
  const collect = ({ type, fields, tasks }: Action, pointer: string): void => {
    const { content, path } = fields;
    if (type === 'playbook' && path === undefined && typeof content === 'string' && !isTemplatedContent(content))
      found.push({ text: content, pointer: `${pointer}/content` });
    for (const [at, task] of tasks.entries()) collect(task, `${pointer}/tasks/${at}`);
  };
  for (const [at, { action, compensate }] of playbook.workflow.entries()) {
    if (action) collect(action, `/workflow/${at}`);
    if (compensate) collect(compensate.action, `/workflow/${at}/compensate`);
  }
  for (const [at, task] of playbook.workbook.entries()) collect(task, `/workbook/${at}`);
  return found;
}
