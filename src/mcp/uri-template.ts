import { UriTemplate } from '@modelcontextprotocol/server';

/** Values of the variables of a template (RFC 6570) in a URI that it may have made; null where it did not. */
export function matchUri(template: string, uri: string): Readonly<Record<string, string | readonly string[]>> | null {
  try {
    return new UriTemplate(template).match(uri);
  } catch {
    return null; // a template that cannot be read matches nothing
  }
}
