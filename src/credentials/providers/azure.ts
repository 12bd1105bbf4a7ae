import { type HttpClient } from '@azure/core-rest-pipeline';
import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { fieldOfText, loginField, nameAndField, type SecretProvider } from './provider.js';
import { loadSdk, ProviderCall } from './provider-call.js';

/** What the SDK wants to know: when to ask for a new token. It lives for one question only. */
const TOKEN_MS = 300_000;

/**
 * Azure Key Vault. The login is an application (client credentials), opened with an access token for the vault. The SDK first asks without the
 * token and sends it only where the answer names a resource that the vault belongs to.
 */
export const azureProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const vault = loginField(login, 'vault_url');
    const token = loginField(login, 'access_token');
    const { SecretClient } = await loadSdk('@azure/keyvault-secrets', () => import('@azure/keyvault-secrets'));
    const { createHttpHeaders } = await loadSdk('@azure/core-rest-pipeline', () => import('@azure/core-rest-pipeline'));
    const call = new ProviderCall(outbound, 'Azure Key Vault', signal);
    const httpClient: HttpClient = {
      async sendRequest(request) {
        const body = typeof request.body === 'string' ? request.body : null;
        const answer = await call.send({ url: request.url, method: request.method, headers: request.headers.toJSON(), body });
        const headers = Object.entries(answer.headers).map(([header, value]) => [header, [value].flat().join(', ')] as const);
        return {
          request,
          status: answer.status,
          headers: createHttpHeaders(Object.fromEntries(headers)),
          bodyAsText: Buffer.from(answer.body).toString('utf8'),
        };
      },
    };
    return call.ask(async () => {
      const credential = { getToken: () => Promise.resolve({ token, expiresOnTimestamp: Date.now() + TOKEN_MS }) };
      // Redirects are followed by the checked client; whether to try again is for the step's retry to say.
      const client = new SecretClient(vault, credential, {
        httpClient,
        retryOptions: { maxRetries: 0 },
        redirectOptions: { maxRetries: 0 },
      });
      const found = await client.getSecret(name, wanted.version === 'latest' ? {} : { version: wanted.version });
      if (found.value === undefined)
        throw new SecretsError('secret_provider_error', `${call.who} answered with something that is no secret.`);
      return { value: fieldOfText(found.value, field), version: found.properties.version ?? wanted.version };
    });
  },
});
