import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { fieldOfText, loginField, nameAndField, type SecretProvider } from './provider.js';
import { loadSdk, ProviderCall } from './provider-call.js';

const SDK = '@aws-sdk/client-secrets-manager';

/** Errors of status 400 that pass. */
const BUSY: ReadonlySet<string> = new Set(['ThrottlingException', 'Throttling', 'TooManyRequestsException', 'RequestLimitExceeded']);

/** What the SDK hands to its transport (`HttpRequest` of @smithy/types); the JSON protocol has no query. */
interface SmithyRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** AWS Secrets Manager. `name` is the id or ARN, `#field` one key of a JSON secret, `project` the region where the login names none. */
export const awsProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const region = loginField(login, 'region', wanted.project ?? '');
    if (region === '') throw new SecretsError('missing_credential_field', 'The credential of the provider lacks the field region.');
    // Everything is said here, so that the SDK looks neither into the environment of the service nor for a metadata server.
    const settings = {
      region,
      endpoint: loginField(login, 'endpoint', `https://secretsmanager.${region}.amazonaws.com`),
      credentials: {
        accessKeyId: loginField(login, 'access_key_id'),
        secretAccessKey: loginField(login, 'secret_access_key'),
        ...sessionOf(loginField(login, 'session_token', '')),
      },
      maxAttempts: 1, // the step's retry decides
      retryMode: 'standard',
      defaultsMode: 'standard' as const,
      useDualstackEndpoint: false,
      useFipsEndpoint: false,
    };
    const { SecretsManagerClient, GetSecretValueCommand } = await loadSdk(SDK, () => import('@aws-sdk/client-secrets-manager'));
    const call = new ProviderCall(outbound, 'AWS Secrets Manager', signal);
    return call.ask(
      async () => {
        const client = new SecretsManagerClient({ ...settings, requestHandler: handlerOf(call) });
        const answer = await client.send(new GetSecretValueCommand({ SecretId: name, ...versionOf(wanted.version) }));
        const value = answer.SecretString ?? (answer.SecretBinary && Buffer.from(answer.SecretBinary).toString('utf8'));
        if (value === undefined) throw new SecretsError('secret_provider_error', `${call.who} answered with something that is no secret.`);
        return { value: fieldOfText(value, field), version: answer.VersionId ?? wanted.version };
      },
      ({ name: error }) => (error === 'ResourceNotFoundException' ? 'unknown' : BUSY.has(error) ? 'busy' : null),
    );
  },
});

/** The transport of the SDK: the checked client. */
const handlerOf = (call: ProviderCall) => ({
  async handle({ protocol, hostname, port, path, method, headers, body = '' }: SmithyRequest) {
    const url = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
    const answer = await call.send({ url, method, headers, body });
    return { response: { statusCode: answer.status, headers: answer.headers, body: answer.body } };
  },
});

const sessionOf = (token: string): { sessionToken?: string } => (token === '' ? {} : { sessionToken: token });

/** A version is an id (32 and more characters) or the name of a stage. */
function versionOf(version: string): { VersionId?: string; VersionStage?: string } {
  if (version === 'latest') return {};
  return version.length >= 32 ? { VersionId: version } : { VersionStage: version };
}
