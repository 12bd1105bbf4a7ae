import { compileValue, type ValueTemplate } from '../template/template.js';
import { type Json } from '../values.js';
import { type CompiledCall } from './compiled.js';
import { isTemplatedContent } from './inline-content.js';
import { type Action } from './playbook.js';

/** What a step calls: another entry of the catalog, all below a prefix, or the playbook whose text it holds. */
export function compileCall({ type, fields }: Action): CompiledCall {
  const template = (name: string): ValueTemplate | null => (fields[name] === undefined ? null : compileValue(fields[name]));
  const isPrefix = type === 'playbooks';
  return {
    path: isPrefix ? null : template('path'),
    prefix: isPrefix ? template('catalog_path') : null,
    version: template('version'),
    returnStep: template('return_step'),
    parallel: template('parallel'),
    callable: type === 'tool' || type === 'model' || type === 'workflow' ? type : 'playbook',
    content: isPrefix || fields['path'] !== undefined ? null : contentOf(fields['content'] ?? null),
  };
}

function contentOf(content: Json): CompiledCall['content'] {
  return isTemplatedContent(content) ? compileValue(content) : { render: () => content };
}
