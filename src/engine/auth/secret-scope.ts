import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { type Json } from '../values.js';
import { type CompiledAuth, type CompiledAuthEntry, renderEntry } from './compiled-auth.js';
import { type AuthRecord, sealedRequest } from './sealed-request.js';
import { SecretSession } from './secret-markers.js';

/**
 * What the templates of one action see of secrets: `auth`, `credentials`, `keychain` and `secret` give markers, and `seal` records beside the
 * finished request what the markers stand for. Holds names alone; nothing here has ever seen a secret.
 */
export class SecretScope {
  /** Entries that texts refer to, in the order in which their places were given out: those of `auth` first. */
  private readonly entries: { readonly compiled: CompiledAuthEntry; readonly hidden: boolean }[];

  constructor(
    /** The document's own. */
    private readonly handles: CompiledAuth | null,
    private readonly auth: CompiledAuth | null,
    private readonly rendering: Rendering,
  ) {
    this.entries = (auth?.entries ?? []).map((compiled) => ({ compiled, hidden: false }));
    if (rendering.secrets) rendering.secrets.isSealable = true;
  }

  /**
   * @param name one of `auth`, `credentials`, `keychain`, `secret`
   * @param ordinary what else goes by that name, an input for instance: meant where the name stands alone
   */
  lookup(name: string, ordinary: () => unknown): unknown {
    // From now on every operation of the rendering looks whether it has a secret before it.
    this.session();
    if (name === 'secret') return new NamedSecrets((secret) => this.session().mark({ secret }), ordinary);
    return new Handles((alias) => this.handle(alias, name), ordinary);
  }

  /** The recorded form of a rendered request. The last that is rendered with these secrets. Throws StepFailure, TemplateError. */
  seal(request: Json, scope: Scope): Json {
    const { rendering, auth } = this;
    if (this.entries.length === 0 && rendering.secrets === null) return request;
    const used = this.usedAlias(scope);
    const credentials: AuthRecord['credentials'] = [];
    // The list grows while it is walked: fields may refer to further handles.
    for (const { compiled, hidden } of this.entries) {
      const entry = renderEntry(compiled, this.handles, scope, rendering);
      credentials.push({ ...entry, hidden: hidden || (used !== null && compiled.alias !== used) });
    }
    if (used !== null && !(auth?.entries.some(({ alias }) => alias === used) ?? false)) {
      throw new StepFailure('unknown_credential', `use_auth names ${used}, which is no alias of auth.`, { retryable: false });
    }
    if (rendering.secrets) rendering.secrets.isSealable = false;
    const references = (rendering.secrets?.references ?? []).map((reference) => ({ ...reference }));
    if (credentials.length === 0 && references.length === 0) return request;
    return sealedRequest({ nonce: rendering.secrets?.nonce ?? '', credentials, references }, request);
  }

  private usedAlias(scope: Scope): string | null {
    const use = this.auth?.use?.render(scope, this.rendering) ?? null;
    return use === null || use === '' ? null : String(use);
  }

  private handle(alias: string, name: string): unknown {
    const { auth } = this;
    const own =
      name === 'keychain'
        ? undefined
        : (auth?.entries.find((each) => each.alias === alias) ?? (auth?.single ? auth.entries[0] : undefined));
    const found = own ?? this.handles?.entries.find((each) => each.alias === alias);
    if (!found) return undefined;
    const mark = (field: string): string => this.session().mark({ credential: this.placeOf(found), field });
    return new Fields(mark, own && auth?.single && alias !== own.alias ? alias : null);
  }

  private placeOf(compiled: CompiledAuthEntry): number {
    const place = this.entries.findIndex((each) => each.compiled === compiled);
    return place >= 0 ? place : this.entries.push({ compiled, hidden: true }) - 1;
  }

  private session(): SecretSession {
    return (this.rendering.secrets ??= new SecretSession(() => this.rendering.nonce(), true));
  }
}

/** Has nothing of its own to give as a whole: secrets stand in texts one by one. */
abstract class SecretReferences extends TemplateReference {
  constructor(private readonly ordinary: () => unknown) {
    super();
  }
  unwrap(): Json {
    const value = this.ordinary();
    if (value !== undefined) return value instanceof TemplateReference ? value.unwrap() : (value as Json);
    throw new StepFailure('template_error', 'Credentials cannot be used as a whole; name a field, as in {{ auth.alias.token }}.', {
      retryable: false,
    });
  }
}

class Handles extends SecretReferences {
  constructor(
    private readonly handle: (alias: string) => unknown,
    ordinary: () => unknown,
  ) {
    super(ordinary);
  }
  get(key: string | number): unknown {
    return this.handle(String(key));
  }
}

/** One alias. What stands there in place of the alias of a single credential may be a field itself: `{{ auth.token }}`. */
class Fields extends SecretReferences {
  constructor(
    private readonly mark: (field: string) => string,
    private readonly self: string | null,
  ) {
    super(() => undefined);
  }
  override unwrap(): Json {
    return this.self === null ? super.unwrap() : this.mark(this.self);
  }
  get(key: string | number): unknown {
    return this.mark(String(key));
  }
}

class NamedSecrets extends SecretReferences {
  constructor(
    private readonly mark: (secret: string) => string,
    ordinary: () => unknown,
  ) {
    super(ordinary);
  }
  get(key: string | number): unknown {
    return this.mark(String(key));
  }
}
