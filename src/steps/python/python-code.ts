import { createHash } from 'node:crypto';
import { hidesMain, mainParameters } from './main-parameters.js';
import { hasPlaceholder } from './placeholders.js';

/** The code of one action as registered, and what was read from it once. */
export class PythonCode {
  readonly digest: string;
  readonly parameters: readonly string[];
  readonly hidesMain: boolean;
  readonly hasPlaceholder: boolean;
  /** The code speaks of `context`: it is built for the code, and only then. */
  readonly usesContext: boolean;

  constructor(readonly text: string) {
    this.digest = createHash('sha256').update(text).digest('hex');
    this.parameters = mainParameters(text);
    this.hidesMain = hidesMain(text);
    this.hasPlaceholder = hasPlaceholder(text);
    this.usesContext = /\bcontext\b/.test(text);
  }
}
