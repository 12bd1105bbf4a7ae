import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { isObject, own } from '../../engine/values.js';
import { askProvider, baseOf, fieldOfText, loginField, nameAndField, type SecretProvider } from './provider.js';

/** Google Secret Manager. The login is a service account, opened with an access token; `project` may come from it. */
export const gcpProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const project = wanted.project ?? loginField(login, 'project_id');
    const base = baseOf(loginField(login, 'endpoint', 'https://secretmanager.googleapis.com'));
    const path = ['projects', project, 'secrets', name, 'versions', wanted.version].map(encodeURIComponent).join('/');
    const answer = await askProvider(outbound, 'Google Secret Manager', {
      url: `${base}/v1/${path}:access`,
      method: 'GET',
      headers: { authorization: `Bearer ${loginField(login, 'access_token')}` },
      signal,
    });
    const payload = own(answer, 'payload');
    const data = isObject(payload) ? own(payload, 'data') : undefined;
    if (typeof data !== 'string')
      throw new SecretsError('secret_provider_error', 'Google Secret Manager answered with something that is no secret.');
    const found = /\/versions\/(\d+)$/.exec(String(own(answer, 'name') ?? ''))?.[1];
    return { value: fieldOfText(Buffer.from(data, 'base64').toString('utf8'), field), version: found ?? wanted.version };
  },
});
