const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/** Where the metadata of a resource of this service are (RFC 9728, 3.1). @param path of the resource; empty: the service as a whole */
export function metadataUrlOf(publicUrl: string, path: string): string {
  return `${publicUrl}${WELL_KNOWN}${path}`;
}

/** What the audience of a token may be for a resource: its address, to the letter. An origin is the same address with a slash at its end. */
export function audiencesOf(publicUrl: string, paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => (path === '' ? [publicUrl, `${publicUrl}/`] : [`${publicUrl}${path}`]));
}
