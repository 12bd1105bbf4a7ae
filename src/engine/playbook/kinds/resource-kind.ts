import { type JsonObject } from '../../values.js';
import { type DocumentReading, type Given } from '../document-reading.js';
import { isTemplate } from '../normalise-values.js';
import { type ResourceFace } from '../playbook.js';
import { isUri, parseUriTemplate } from '../uri-template.js';
import { alwaysText, isBase64 } from './content-blocks.js';
import { type EntryBody, type KindReader } from './kind-reader.js';
import { MAKER_KEYS, makerOf } from './made-content.js';

/** Schemes of the resources that the service itself has. */
const OWN_SCHEMES = /^(?:execution|catalog):/i;
const MIME_TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,127}\/[A-Za-z0-9!#$&^_.+-]{1,127}(?:\s*;\s*[A-Za-z0-9-]+=[^\s;]{1,127})*$/;

/** What running a resource gives: texts, or data in base64. */
const RESULT: JsonObject = {
  type: 'object',
  required: ['contents'],
  properties: {
    contents: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        anyOf: [{ required: ['text'] }, { required: ['blob'] }],
        properties: { uri: { type: 'string' }, mimeType: { type: 'string' }, text: { type: 'string' }, blob: { type: 'string' } },
      },
    },
  },
};

/**
 * `kind: Resource`: something to read at a URI, or at all URIs of a template, whose variables are its arguments. Its program gives
 * `{contents: [{uri, mimeType, text | blob}]}`, whether it is written in the document or made by a playbook, or by steps of its own.
 */
export const resourceReader: KindReader = {
  rootKeys: ['uri', 'uri_template', 'mime_type', 'text', 'blob', ...MAKER_KEYS],

  read(root, reading, contract): EntryBody {
    const { resource, variables, uri } = placeOf(root, reading);
    const [text, blob] = [reading.find(root, 'text'), reading.find(root, 'blob')];
    const content = bytesOf(text, blob, reading);
    const place: JsonObject = resource.mimeType === null ? { uri } : { uri, mimeType: resource.mimeType };
    const result: JsonObject | null = content && { contents: [{ ...place, ...content }] };
    const body = makerOf(root, reading, contract, '"text", "blob"', result, (text ?? blob)?.pointer ?? '');
    return {
      ...body,
      resource,
      contract: { ...contract, inputSchema: contract.inputSchema ?? schemaOf(variables), outputSchema: contract.outputSchema ?? RESULT },
    };
  },
};

/** Where it is: the face, the variables of its template, and the URI as a text template. */
function placeOf(root: JsonObject, reading: DocumentReading): { resource: ResourceFace; variables: readonly string[]; uri: string } {
  const { findings } = reading;
  const [uri, template, mime] = ['uri', 'uri_template', 'mime_type'].map((key) => reading.find(root, key));
  if (!uri === !template) findings.error('invalid_document', '', 'A resource needs "uri" or "uri_template", and not both.');
  const text = uri && isUri(String(uri.value)) ? String(uri.value) : null;
  if (uri && text === null) findings.error('invalid_value', uri.pointer, 'uri must be an absolute URI of at most 2,048 characters.');
  const parsed = template && typeof template.value === 'string' ? parseUriTemplate(template.value) : null;
  if (template && !parsed)
    findings.error(
      'invalid_value',
      template.pointer,
      'uri_template must be a URI with {name} or {+name}, each name once, and something between them.',
    );
  for (const given of [uri, template])
    if (given && OWN_SCHEMES.test(String(given.value)))
      findings.error('invalid_value', given.pointer, 'The schemes execution: and catalog: are those of the service itself.');
  if (mime && (typeof mime.value !== 'string' || !MIME_TYPE.test(mime.value)))
    findings.error('invalid_value', mime.pointer, 'mime_type must be a media type such as text/plain.');
  return {
    resource: {
      uri: text,
      uriTemplate: parsed ? String(template!.value) : null,
      mimeType: mime && typeof mime.value === 'string' ? mime.value : null,
    },
    variables: parsed?.variables ?? [],
    uri: parsed?.asTemplate ?? text ?? '',
  };
}

function bytesOf(text: Given | null, blob: Given | null, { findings }: DocumentReading): JsonObject | null {
  if (text && blob) findings.error('ambiguous_field', blob.pointer, 'A resource has "text" or "blob", not both.');
  if (text) {
    const isText = typeof text.value === 'string';
    if (!isText) findings.error('invalid_type', text.pointer, 'text must be a text.');
    return { text: alwaysText(text.value) };
  }
  if (!blob) return null;
  // Long data is written in lines.
  const data = isTemplate(blob.value) ? blob.value : typeof blob.value === 'string' ? blob.value.replace(/\s+/g, '') : null;
  if (!isBase64(data)) findings.error('invalid_value', blob.pointer, 'blob must be base64.');
  return { blob: data };
}

function schemaOf(variables: readonly string[]): JsonObject {
  return {
    type: 'object',
    properties: Object.fromEntries(variables.map((name) => [name, { type: 'string' }])),
    required: [...variables],
    additionalProperties: false,
  };
}
