/** Things of the service that can be read by URI. */
export type ServiceUri =
  | { readonly kind: 'execution'; readonly id: string; readonly part: 'status' | 'logs' | 'result' }
  | { readonly kind: 'catalog'; readonly type: string; readonly path: string; readonly version: string };

const EXECUTION = /^execution:\/\/(\d{1,19})(?:\/(logs|result))?$/;
const CATALOG = /^catalog:\/\/([a-z]{1,16})\/([A-Za-z0-9._/-]{1,512})@([^@/?#]{1,256})$/;

export const executionUri = (id: string): string => `execution://${id}`;

/** Reads a URI of the service's own; null for any other. */
export function parseServiceUri(uri: string): ServiceUri | null {
  const execution = EXECUTION.exec(uri);
  if (execution) return { kind: 'execution', id: execution[1]!, part: (execution[2] as 'logs' | 'result' | undefined) ?? 'status' };
  const catalog = CATALOG.exec(uri);
  if (!catalog) return null;
  return { kind: 'catalog', type: catalog[1]!, path: catalog[2]!, version: decoded(catalog[3]!) };
}

/** Ranges such as `^1.2` are percent-encoded in a URI. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
