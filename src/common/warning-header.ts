import { toldHeader } from './told-header.js';

/** Documentation of the header where an entry is read by its version. */
export const WARNING = { Warning: toldHeader('Code 299: the version is deprecated or yanked.') } as const;

/** The value of a Warning header (RFC 7234, 5.5): code 299, no agent, quoted text in printable ASCII. */
export function warningHeader(warnings: readonly string[]): string {
  return warnings.map((text) => `299 - "${text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')}"`).join(', ');
}
