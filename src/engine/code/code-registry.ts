/** The code of one action as registered. */
export interface RegisteredCode {
  /** Of its text. */
  readonly digest: string;
  readonly text: string;
}

/**
 * Finds registered code by its digest, so that recorded requests need no copy of it. It holds on to nothing: code lives as
 * long as the compiled playbook that parsed it, which a run needs anyway before it can execute a step.
 */
export class CodeRegistry<Code extends RegisteredCode> {
  private readonly byDigest = new Map<string, WeakRef<Code>>();
  private readonly gone = new FinalizationRegistry<string>((digest) => {
    if (!this.byDigest.get(digest)?.deref()) this.byDigest.delete(digest);
  });

  /** The code, or the same code registered before. */
  add(code: Code): Code {
    const known = this.find(code.digest);
    if (known) return known;
    this.byDigest.set(code.digest, new WeakRef(code));
    this.gone.register(code, code.digest);
    return code;
  }

  find(digest: string): Code | undefined {
    return this.byDigest.get(digest)?.deref();
  }
}
