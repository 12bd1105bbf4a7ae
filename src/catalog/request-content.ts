import { EngineError } from '../engine/engine-error.js';
import { kindNamed } from '../engine/playbook/kinds/kind-readers.js';
import { type RegisterCatalogEntryRequest } from './dto/catalog.requests.js';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The text a registration carries.
 * @throws EngineError `missing_field`, `ambiguous_field`, `invalid_value` (no base64), `invalid_unicode` (no UTF-8 inside)
 */
export function contentOf({ content, content_base64: encoded }: RegisterCatalogEntryRequest): string {
  if (content !== undefined && encoded !== undefined)
    throw refusal('invalid', 'ambiguous_field', '/content_base64', 'was given beside content');
  if (content !== undefined) return documentInside(content) ?? content;
  if (encoded === undefined) throw refusal('invalid', 'missing_field', '/content', 'is missing');
  const bytes = bytesOf(encoded);
  if (bytes === null) throw refusal('invalid', 'invalid_value', '/content_base64', 'is not base64');
  try {
    return textOf(bytes);
  } catch (error) {
    throw refusal('unreadable', 'invalid_unicode', '/content_base64', 'is not UTF-8 inside', error);
  }
}

/**
 * The document that NoETL's command line client sends as base64 in `content`; null where there is none inside.
 * No document is mistaken for it: each has a colon behind a key, and base64 has none.
 */
function documentInside(content: string): string | null {
  const bytes = content.includes(':') ? null : bytesOf(content);
  if (bytes === null) return null;
  try {
    const text = textOf(bytes);
    return text.includes(':') ? text : null;
  } catch {
    return null; // no text inside: what was sent is read as it stands
  }
}

/** Null where the text is not base64. */
function bytesOf(encoded: string): Buffer | null {
  const compact = encoded.replaceAll(/\s/g, '');
  return compact.length % 4 === 0 && BASE64.test(compact) ? Buffer.from(compact, 'base64') : null;
}

/** @throws TypeError where the bytes are not UTF-8 */
const textOf = (bytes: Buffer): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);

/**
 * Clients that know several kinds name theirs, some of them always the same one: it must be a kind of entries, and the document says which.
 * @throws EngineError `unsupported_kind`
 */
export function refuseOtherKinds(...named: readonly (string | undefined)[]): void {
  const other = named.find((kind) => kind !== undefined && kind !== '' && kindNamed(kind) === null);
  if (other === undefined) return;
  const message = `Entries of kind "${other}" cannot be registered.`;
  throw new EngineError('invalid', 'unsupported_kind', message, [{ code: 'unsupported_kind', pointer: '/resource_type', message }]);
}

function refusal(
  kind: 'invalid' | 'unreadable',
  code: 'ambiguous_field' | 'missing_field' | 'invalid_value' | 'invalid_unicode',
  pointer: string,
  message: string,
  cause?: unknown,
): EngineError {
  return new EngineError(kind, code, `${pointer.slice(1)} ${message}.`, [{ code, pointer, message }], { cause });
}
