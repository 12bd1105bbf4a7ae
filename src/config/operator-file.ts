import { readFileSync } from 'node:fs';

const MOST_BYTES = 1_048_576;

/** JSON that an operator names by the path of a file, 1 MiB at most. Throws an Error for the operator, which says what the file is not and quotes nothing. */
export function readOperatorFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new Error('is not a file that can be read');
  }
  if (text.length > MOST_BYTES) throw new Error(`is larger than ${MOST_BYTES} bytes`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
}
