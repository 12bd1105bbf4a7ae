import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { own } from '../../engine/values.js';
import { askProvider, baseOf, fieldOfText, loginField, nameAndField, type SecretProvider } from './provider.js';

/** Azure Key Vault. The login is an application (client credentials), opened with an access token for the vault. */
export const azureProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const version = wanted.version === 'latest' ? '' : `/${encodeURIComponent(wanted.version)}`;
    const answer = await askProvider(outbound, 'Azure Key Vault', {
      url: `${baseOf(loginField(login, 'vault_url'))}/secrets/${encodeURIComponent(name)}${version}?api-version=7.4`,
      method: 'GET',
      headers: { authorization: `Bearer ${loginField(login, 'access_token')}` },
      signal,
    });
    const value = own(answer, 'value');
    if (typeof value !== 'string')
      throw new SecretsError('secret_provider_error', 'Azure Key Vault answered with something that is no secret.');
    const found = /\/secrets\/[^/]+\/([^/?]+)$/.exec(String(own(answer, 'id') ?? ''))?.[1];
    return { value: fieldOfText(value, field), version: found ?? wanted.version };
  },
});
