import { type SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { type Outbound } from '../../engine/outbound-port.js';
import { SecretsError } from '../../engine/secrets-port.js';
import { baseOf, fieldOfText, loginField, nameAndField, type SecretProvider } from './provider.js';
import { loadSdk, ProviderCall } from './provider-call.js';

const SDK = '@google-cloud/secret-manager';
/** Answers that have no body (Fetch, "null body status"). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Google Secret Manager, over REST. The login is a service account, opened with an access token; `project` may come from it. */
export const gcpProvider = (outbound: Outbound): SecretProvider => ({
  async fetch(wanted, login, signal) {
    const { name, field } = nameAndField(wanted);
    const project = wanted.project ?? loginField(login, 'project_id');
    const endpoint = baseOf(loginField(login, 'endpoint', ''));
    const token = loginField(login, 'access_token');
    const sdk = await loadSdk(SDK, () => import('@google-cloud/secret-manager'));
    const call = new ProviderCall(outbound, 'Google Secret Manager', signal);
    return call.ask(async () => {
      // The part of google-auth-library's AuthClient that the REST transport uses: all of its requests go through `fetch`.
      const authClient = {
        universeDomain: 'googleapis.com',
        getRequestHeaders: () => Promise.resolve(new Headers({ authorization: `Bearer ${token}` })),
        fetch: (url: string, asked: RestRequest) => fetchThrough(call, endpoint, token, url, asked),
      };
      const client = new sdk.SecretManagerServiceClient({
        fallback: true,
        universeDomain: 'googleapis.com',
        projectId: project,
        authClient: authClient as unknown as ClientAuth,
      });
      // Whether to try again is for the step's retry to say.
      const [answer] = await client.accessSecretVersion({ name: client.secretVersionPath(project, name, wanted.version) }, { retry: null });
      const data = answer.payload?.data;
      if (data === undefined || data === null)
        throw new SecretsError('secret_provider_error', `${call.who} answered with something that is no secret.`);
      const found = /\/versions\/(\d+)$/.exec(answer.name ?? '')?.[1];
      return { value: fieldOfText(Buffer.from(data as Uint8Array).toString('utf8'), field), version: found ?? wanted.version };
    });
  },
});

type ClientAuth = NonNullable<NonNullable<ConstructorParameters<typeof SecretManagerServiceClient>[0]>['authClient']>;

interface RestRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body?: string | Uint8Array;
}

/** What the SDK fetches, through the checked client. @param endpoint stands for scheme and host where it is not empty */
async function fetchThrough(call: ProviderCall, endpoint: string, token: string, url: string, asked: RestRequest): Promise<Response> {
  const { pathname, search } = new URL(url);
  const { status, headers, body } = await call.send({
    url: endpoint === '' ? url : endpoint + pathname + search,
    method: asked.method,
    headers: { ...Object.fromEntries(asked.headers), authorization: `Bearer ${token}` },
    body: asked.body ?? null,
  });
  const type = headers['content-type'];
  return new Response(WITHOUT_BODY.has(status) ? null : Buffer.from(body), {
    status,
    headers: typeof type === 'string' ? { 'content-type': type } : {},
  });
}
