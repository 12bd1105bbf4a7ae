import { type Findings } from './findings.js';

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** A catalog path without its leading slash and .yaml or .yml suffix: 1-32 segments, at most 512 characters. */
export function catalogPath(text: string, pointer: string, findings: Findings): string {
  const path = text
    .trim()
    .replace(/^\//, '')
    .replace(/\.ya?ml$/, '');
  const segments = path.split('/');
  if (path.length > 512 || segments.length > 32 || !segments.every((segment) => SEGMENT.test(segment)))
    findings.error(
      'invalid_path',
      pointer,
      'A path is 1 to 32 parts of letters, digits, "_", "." and "-", joined by "/", at most 512 characters.',
    );
  return path;
}
