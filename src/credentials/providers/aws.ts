import { createHash, createHmac } from 'node:crypto';
import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { own } from '../../engine/values.js';
import { askProvider, fieldOfText, loginField, nameAndField, type SecretProvider } from './provider.js';

/** AWS Secrets Manager. `name` is the id or ARN, `#field` one key of a JSON secret, `project` the region where the login names none. */
export const awsProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const region = loginField(login, 'region', wanted.project ?? '');
    if (region === '') throw new SecretsError('missing_credential_field', 'The credential of the provider lacks the field region.');
    const url = new URL(loginField(login, 'endpoint', `https://secretsmanager.${region}.amazonaws.com/`));
    // A version is an id (32 and more characters) or the name of a stage.
    const version =
      wanted.version === 'latest' ? {} : wanted.version.length >= 32 ? { VersionId: wanted.version } : { VersionStage: wanted.version };
    const body = JSON.stringify({ SecretId: name, ...version });
    const headers = signed(
      {
        method: 'POST',
        url,
        body,
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' },
      },
      {
        keyId: loginField(login, 'access_key_id'),
        secret: loginField(login, 'secret_access_key'),
        session: loginField(login, 'session_token', ''),
        region,
        service: 'secretsmanager',
      },
      new Date(),
    );
    const answer = await askProvider(outbound, 'AWS Secrets Manager', { url: url.href, method: 'POST', headers, body, signal });
    const text = own(answer, 'SecretString');
    const binary = own(answer, 'SecretBinary');
    const value = typeof text === 'string' ? text : typeof binary === 'string' ? Buffer.from(binary, 'base64').toString('utf8') : null;
    if (value === null) throw new SecretsError('secret_provider_error', 'AWS Secrets Manager answered with something that is no secret.');
    const found = own(answer, 'VersionId');
    return { value: fieldOfText(value, field), version: typeof found === 'string' ? found : wanted.version };
  },
});

interface AwsRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}
interface AwsSigner {
  readonly keyId: string;
  readonly secret: string;
  /** Empty: none. */
  readonly session: string;
  readonly region: string;
  readonly service: string;
}

/** The headers of a request with its signature (Signature Version 4); the query has to be empty. */
export function signed({ method, url, body, headers }: AwsRequest, signer: AwsSigner, at: Date): Record<string, string> {
  const time = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const sent: Record<string, string> = {
    ...headers,
    'x-amz-date': time,
    ...(signer.session === '' ? {} : { 'x-amz-security-token': signer.session }),
  };
  const covered: Record<string, string> = { ...sent, host: url.host };
  const names = Object.keys(covered).sort();
  const canonical = [
    method,
    url.pathname,
    '',
    ...names.map((name) => `${name}:${covered[name]!.trim()}`),
    '',
    names.join(';'),
    sha256(body),
  ].join('\n');
  const scope = `${day}/${signer.region}/${signer.service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [day, signer.region, signer.service, 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => hmac(secret, part),
    `AWS4${signer.secret}`,
  );
  const signature = hmac(key, toSign).toString('hex');
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${signer.keyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();
