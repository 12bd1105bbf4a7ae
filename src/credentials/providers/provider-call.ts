import { type Outbound, OutboundError, type OutboundRequest, type OutboundResponse } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';

/** A provider's answer is small; whatever is larger is none. */
export const MAX_ANSWER_BYTES = 1_048_576;

/**
 * One question to a provider. Whatever asks it, an SDK or our own lines, sends through the one checked client (S6), and what became of it
 * is told by what was sent and came back, not by the errors of SDKs, which repeat what the provider said.
 */
export class ProviderCall {
  private refused: OutboundError | null = null;
  private status: number | null = null;

  /** @param who the provider, as messages name it */
  constructor(
    private readonly outbound: Outbound,
    readonly who: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Sends one request of the question. Throws OutboundError; what the signal was aborted with. */
  async send(request: Omit<OutboundRequest, 'signal' | 'maxResponseBytes'>): Promise<OutboundResponse> {
    try {
      const answer = await this.outbound.fetch({ ...request, signal: this.signal, maxResponseBytes: MAX_ANSWER_BYTES });
      this.status = answer.status;
      return answer;
    } catch (error) {
      if (error instanceof OutboundError) this.refused = error;
      throw error;
    }
  }

  /**
   * The answer to the question.
   * @param meaningOf what the status does not tell: that there is no such secret (besides 404), that the provider is busy (besides 429)
   * @throws SecretsError for whatever the question throws; what the signal was aborted with
   */
  async ask<T>(
    question: () => Promise<T>,
    meaningOf: (error: { readonly name: string }) => 'unknown' | 'busy' | null = () => null,
  ): Promise<T> {
    try {
      return await question();
    } catch (error) {
      if (error instanceof SecretsError) throw error;
      if (this.refused) throw new SecretsError(this.refused.code, `${this.who}: ${this.refused.message}`, this.refused.retryable);
      if (this.signal.aborted) throw this.signal.reason;
      throw this.failureOf(meaningOf(error instanceof Error ? error : { name: '' }));
    }
  }

  private failureOf(meaning: 'unknown' | 'busy' | null): SecretsError {
    const { who, status } = this;
    if (meaning === 'unknown' || status === 404) return new SecretsError('unknown_secret', `${who} has no such secret.`);
    if (status === null) return new SecretsError('secret_provider_error', `${who} could not be asked: the login or the name does not fit.`);
    if (status < 300) return new SecretsError('secret_provider_error', `${who} answered with something else than was asked for.`);
    const retryable = meaning === 'busy' || status === 429 || status >= 500;
    return new SecretsError('secret_provider_error', `${who} answered with status ${status}.`, retryable);
  }
}

/** Loads an SDK, which only a playbook that asks its provider does. Throws SecretsError `secret_provider_unavailable` where it is not installed. */
export async function loadSdk<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw new SecretsError('secret_provider_unavailable', `The package ${name} cannot be loaded on this node (${codeOf(error)}).`);
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | null)?.code ?? (error instanceof Error ? error.name : 'no code'));
}
