import { createHash } from 'node:crypto';
import { mainParameters } from './main-parameters.js';
import { hasPlaceholder } from './placeholders.js';

/** The code of one action as registered, and what was read from it once. */
export class PythonCode {
  readonly digest: string;
  readonly parameters: readonly string[];
  readonly hasPlaceholder: boolean;
  /** The code speaks of `context`: it is built for the code, and only then. */
  readonly usesContext: boolean;

  constructor(readonly text: string) {
    this.digest = createHash('sha256').update(text).digest('hex');
    this.parameters = mainParameters(text);
    this.hasPlaceholder = hasPlaceholder(text);
    this.usesContext = /\bcontext\b/.test(text);
  }
}

/**
 * Finds registered code by its digest, so that recorded requests need no copy of it. It holds on to nothing: code lives as
 * long as the compiled playbook that parsed it, which a run needs anyway before it can execute a step.
 */
export class CodeRegistry {
  private readonly byDigest = new Map<string, WeakRef<PythonCode>>();
  private readonly gone = new FinalizationRegistry<string>((digest) => {
    if (!this.byDigest.get(digest)?.deref()) this.byDigest.delete(digest);
  });

  add(text: string): PythonCode {
    const code = new PythonCode(text);
    const known = this.find(code.digest);
    if (known) return known;
    this.byDigest.set(code.digest, new WeakRef(code));
    this.gone.register(code, code.digest);
    return code;
  }

  find(digest: string): PythonCode | undefined {
    return this.byDigest.get(digest)?.deref();
  }
}
