import { isObject, type JsonObject, own } from '../values.js';
import { type Findings } from './findings.js';
import { textOf } from './normalise-values.js';
import { catalogPath } from './playbook-path.js';
import { type PlaybookMetadata } from './playbook.js';
import { at, type SourcePositions } from './source-positions.js';

const NAMED = ['name', 'path', 'version', 'description'];
/** What older documents write at the root instead of below `metadata`. */
const ROOT_EXTRA = ['labels', 'annotations', 'tags', 'author'];

/** Who the playbook is: from `metadata`, else from the document's root. Name and path stand in for each other. */
export function readMetadata(root: JsonObject, positions: SourcePositions, findings: Findings): PlaybookMetadata {
  const given = own(root, 'metadata') ?? {};
  if (!isObject(given)) findings.error('invalid_type', '/metadata', '"metadata" must be a mapping with "name" and "path".');
  const metadata = isObject(given) ? given : {};
  const text = (key: string): { text: string; pointer: string } | null => {
    const [from, pointer] = Object.hasOwn(metadata, key) ? [metadata, at('/metadata', key)] : [root, at('', key)];
    const value = own(from, key) ?? null;
    if (value === null) return null;
    const words = textOf(value);
    if (words === null) findings.error('invalid_type', pointer, `"${key}" must be text.`);
    // A version is kept as it is written: as a number, 0.10 would become 0.1.
    return words ? { text: key === 'version' ? (positions.sourceOf(pointer) ?? words).trim() : words, pointer } : null;
  };
  const [name, path] = [text('name'), text('path')];
  const source = path ?? name;
  if (!source) findings.error('missing_field', '/metadata', 'A playbook needs "metadata.name" or "metadata.path".');
  const canonical = source ? catalogPath(source.text, source.pointer, findings) : '';
  return {
    name: name?.text ?? canonical.split('/').at(-1) ?? '',
    path: canonical,
    version: text('version')?.text ?? null,
    description: text('description')?.text ?? null,
    extra: {
      ...Object.fromEntries(ROOT_EXTRA.flatMap((key) => (Object.hasOwn(root, key) ? [[key, root[key] ?? null]] : []))),
      ...Object.fromEntries(Object.entries(metadata).filter(([key]) => !NAMED.includes(key))),
    },
  };
}
