import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { isObject, own } from '../../engine/values.js';
import { askProvider, baseOf, loginField, nameAndField, pathOf, type SecretProvider, textOfFields } from './provider.js';

/** HashiCorp Vault, KV version 2. `name` is the path, `#field` names one of its keys, `project` the mount (`secret`). */
export const vaultProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const mount = wanted.project ?? loginField(login, 'mount', 'secret');
    const version = wanted.version === 'latest' ? '' : `?version=${encodeURIComponent(wanted.version)}`;
    const namespace = loginField(login, 'namespace', '');
    const answer = await askProvider(outbound, 'Vault', {
      url: `${baseOf(loginField(login, 'address'))}/v1/${pathOf(mount)}/data/${pathOf(name)}${version}`,
      method: 'GET',
      headers: {
        'X-Vault-Token': loginField(login, 'token'),
        'X-Vault-Request': 'true',
        ...(namespace === '' ? {} : { 'X-Vault-Namespace': namespace }),
      },
      signal,
    });
    const data = own(answer, 'data');
    const fields = isObject(data) ? own(data, 'data') : undefined;
    if (!isObject(data) || !isObject(fields))
      throw new SecretsError('secret_provider_error', 'Vault answered with something that is no secret.');
    const metadata = own(data, 'metadata');
    const found = isObject(metadata) ? own(metadata, 'version') : undefined;
    return { value: textOfFields(fields, field), version: typeof found === 'number' ? String(found) : wanted.version };
  },
});
