import { RE2JS } from 're2js';

const MAX_URI = 2_048;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s\p{Cc}<>"\\^`{|}]+$/u;
const VARIABLE = /^\+?([A-Za-z_][A-Za-z0-9_]{0,63})$/;

/** Whether a text is an absolute URI (RFC 3986) as a catalog entry may have it. */
export const isUri = (text: string): boolean => text.length <= MAX_URI && URI.test(text);

/** A URI template (RFC 6570, levels 1 and 2: `{name}` within a segment, `{+name}` beyond slashes). */
export interface UriTemplate {
  /** Names of its variables, in order. */
  readonly variables: readonly string[];
  /** As a text template that gives the URI for arguments. */
  readonly asTemplate: string;
  /** The values in a URI that it makes; null for any other. In linear time, whatever the URI. */
  match(uri: string): Record<string, string> | null;
}

/** null where it is no template we can match: another operator, a name twice, variables without anything between, or none at all. */
export function parseUriTemplate(text: string): UriTemplate | null {
  const parts = text.split(/\{([^{}]*)\}/);
  const literals = parts.filter((_, index) => index % 2 === 0);
  const expressions = parts.filter((_, index) => index % 2 === 1);
  const variables = expressions.map((expression) => VARIABLE.exec(expression)?.[1]);
  const names = variables.filter((name): name is string => name !== undefined);
  const isSound =
    names.length > 0 &&
    names.length === expressions.length &&
    new Set(names).size === names.length &&
    literals.slice(1, -1).every((literal) => literal !== '') &&
    isUri(parts.map((part, index) => (index % 2 === 0 ? part : 'x')).join('')) &&
    /^[A-Za-z][A-Za-z0-9+.-]*:/.test(literals[0]!);
  if (!isSound) return null;
  const pattern = RE2JS.compile(
    parts.map((part, index) => (index % 2 === 0 ? RE2JS.quote(part) : part.startsWith('+') ? '(.+)' : '([^/?#]+)')).join(''),
  );
  return {
    variables: names,
    asTemplate: parts
      .map((part, index) =>
        index % 2 === 0
          ? part
          : `{{ arguments.${names[(index - 1) / 2]!} | string | urlencode${part.startsWith('+') ? '' : " | replace('/', '%2F')"} }}`,
      )
      .join(''),
    match(uri) {
      if (uri.length > MAX_URI) return null;
      const matcher = pattern.matcher(uri);
      if (!matcher.matches()) return null;
      try {
        return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(matcher.group(index + 1) ?? '')]));
      } catch {
        return null;
      }
    },
  };
}
