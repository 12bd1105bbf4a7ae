import { HttpRefusal } from './http-refusal.js';

/** Refuses (406) a request whose Accept header leaves none of the media types the handler can answer with (RFC 9110, 12.5.1). */
export function assertAcceptable(accept: string, produced: readonly string[]): void {
  const ranges = accept.split(',').map(parseRange);
  if (produced.some((mediaType) => quality(mediaType, ranges) > 0)) return;
  throw new HttpRefusal(406, 'not_acceptable', `This answer exists as ${produced.join(', ')} only.`);
}

/** Whether an Accept header asks for one media type rather than for the other, which is served where it leaves the choice. */
export function prefers(accept: string, mediaType: string, other: string): boolean {
  const ranges = accept.split(',').map(parseRange);
  const [wanted, instead] = [quality(mediaType, ranges), quality(other, ranges)];
  return wanted > instead || (wanted === instead && wanted > 0 && ranges.some(({ type }) => type === mediaType));
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  return { type, quality: weight === undefined ? 1 : Number(weight.slice(2)) };
}

/** Weight of the most specific range that covers the type; problem documents are JSON, so asking for them asks for JSON. */
function quality(mediaType: string, ranges: readonly MediaRange[]): number {
  const names = [mediaType, `${mediaType.split('/')[0]}/*`, '*/*'];
  if (mediaType === 'application/json') names.splice(1, 0, 'application/problem+json');
  for (const name of names) {
    const range = ranges.find(({ type }) => type === name);
    if (range) return range.quality;
  }
  return 0;
}

/** Refuses (415) everything but `application/json`, in UTF-8, not compressed. */
export function assertPlainJson(contentType: string, contentEncoding: string | undefined): void {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') {
    throw new HttpRefusal(415, 'unsupported_media_type', 'Compressed bodies are not accepted.', { 'accept-encoding': 'identity' });
  }
  if (contentType === 'application/json') return;
  const [type, ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const readable = parameters.every((parameter) => !parameter.startsWith('charset=') || /^charset="?utf-?8"?$/.test(parameter));
  if (type !== 'application/json' || !readable) {
    throw new HttpRefusal(415, 'unsupported_media_type', 'Only application/json in UTF-8 is accepted.', { accept: 'application/json' });
  }
}
