import { type OpenedCredential, type Secrets } from '../secrets-port.js';
import { type ResolvedCredential, StepFailure } from '../step-executor.js';
import { type Json, type JsonObject, own } from '../values.js';
import { type Redactor } from './redactor.js';
import { type AuthRecord, isSealed, referencesOf } from './sealed-request.js';
import { encodeText, replaceMarkers, replaceSealed, type SecretReference, sealedIn } from './secret-markers.js';

export interface OpenedRequest {
  /** With every marker replaced. */
  readonly request: Json;
  /** By alias, in document order. */
  readonly auth: ReadonlyMap<string, ResolvedCredential>;
}

const NO_AUTH: ReadonlyMap<string, ResolvedCredential> = new Map();

export interface OpeningContext {
  readonly secrets: Secrets;
  readonly tenantId: string;
  /** Hears of every secret before anything can come back that holds it. */
  readonly redactor: Redactor;
  readonly signal: AbortSignal;
  /** What `secrets` steps left, as far as it was opened here: an execution sees one value of it. */
  readonly revealed: Map<string, string>;
  /** False: no value of this run can come from a `secrets` step, so that requests need no look. */
  readonly mayHoldSealed: boolean;
}

/** Opens a recorded request for one attempt: credentials by their names, markers by their references. Throws SecretsError, StepFailure. */
export async function openRequest(recorded: Json, context: OpeningContext): Promise<OpenedRequest> {
  if (!isSealed(recorded)) return { request: await unsealed(recorded, context), auth: NO_AUTH };
  const { $auth: record, request } = recorded;
  const opened = await openCredentials(record, context);
  const secretOf = new References(record, opened, context);
  const replaced = record.references.length === 0 ? request : replaceMarkers(request, record.nonce, await secretOf.reader());
  const auth = new Map<string, ResolvedCredential>();
  record.credentials.forEach(({ alias, name, hidden, source }, index) => {
    const { type, version, fields } = opened[index]!;
    if (!hidden) auth.set(alias, { alias, name: source === 'credential' ? name : null, type, version, fields });
  });
  return { request: await unsealed(replaced, context), auth };
}

/** Taints what a recorded request refers to, for who goes on where another left off; what cannot be opened any more is no danger. */
export async function retaint(recorded: Json, context: OpeningContext): Promise<void> {
  await openRequest(recorded, context).catch(() => undefined);
}

async function openCredentials({ credentials, nonce, references }: AuthRecord, context: OpeningContext): Promise<OpenedCredential[]> {
  const opened: OpenedCredential[] = [];
  for (const entry of credentials) {
    const { hidden: _, ...plain } = entry;
    // Inline fields may refer to named secrets and to credentials before them.
    const readable =
      references.length === 0
        ? plain
        : (replaceMarkers(
            plain,
            nonce,
            await new References({ credentials, nonce, references }, opened, context).reader(true),
          ) as typeof plain);
    const credential = await context.secrets.open(context.tenantId, (await unsealed(readable, context)) as typeof plain, context.signal);
    for (const secret of credential.secrets) context.redactor.taint(secret);
    opened.push(credential);
  }
  return opened;
}

async function unsealed(value: Json, { secrets, tenantId, redactor, signal, revealed, mayHoldSealed }: OpeningContext): Promise<Json> {
  if (!mayHoldSealed) return value;
  const found = new Map<string, string>();
  for (const token of sealedIn(value)) {
    const secret = revealed.get(token) ?? (await secrets.reveal(tenantId, token, signal));
    if (secret === null) continue;
    redactor.taint(secret);
    revealed.set(token, secret);
    found.set(token, secret);
  }
  return found.size === 0 ? value : replaceSealed(value, found);
}

/** The texts that the markers of one request stand for. */
class References {
  constructor(
    private readonly record: AuthRecord,
    private readonly opened: readonly OpenedCredential[],
    private readonly context: OpeningContext,
  ) {}

  /** @param early while credentials are still being opened: what refers to later ones is left as it is */
  async reader(early = false): Promise<(index: number) => string> {
    const texts: (string | null)[] = [];
    for (const reference of referencesOf(this.record)) texts.push(await this.textOf(reference, texts, early));
    return (index) => texts[index] ?? (early ? `__secret_${this.record.nonce}_${index}__` : '');
  }

  private async textOf(reference: SecretReference, before: readonly (string | null)[], early: boolean): Promise<string | null> {
    const { secrets, tenantId, redactor, signal } = this.context;
    if ('secret' in reference) {
      const secret = await secrets.secret(tenantId, reference.secret, signal);
      redactor.taint(secret);
      return secret;
    }
    if ('credential' in reference) {
      const opened = this.opened[reference.credential];
      if (!opened && early) return null;
      return fieldText(opened, this.record.credentials[reference.credential]?.alias ?? '', reference.field);
    }
    // A nested text was made from markers before it, and perhaps from what a `secrets` step left.
    const inner = replaceMarkers(reference.text, this.record.nonce, (index) => before[index] ?? '');
    const text = encodeText(reference.encode, (await unsealed(inner, this.context)) as string);
    redactor.taint(text);
    return text;
  }
}

function fieldText(opened: OpenedCredential | undefined, alias: string, field: string): string {
  const value = opened && own(opened.fields as JsonObject, field);
  if (value === undefined || value === null) {
    throw new StepFailure('missing_credential_field', `The credential of auth ${alias} has no field ${field}.`, { retryable: false });
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}
