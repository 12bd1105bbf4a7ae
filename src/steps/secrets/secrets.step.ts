import { EngineError } from '../../engine/engine-error.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { type SecretProviders, SecretsError, type WantedSecret } from '../../engine/secrets-port.js';
import { defineStep, StepFailure, type StepResult } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { compileValue, type ValueTemplate } from '../../engine/template/template.js';
import { type Json, type JsonObject } from '../../engine/values.js';

interface SecretsConfig {
  readonly provider: ValueTemplate;
  readonly name: ValueTemplate;
  readonly project: ValueTemplate;
  readonly version: ValueTemplate;
  /** A second name of the value. */
  readonly as: string | null;
}

interface SecretsRequest extends JsonObject {
  wanted: WantedSecret;
  as: string | null;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PROVIDER_ALIASES: Readonly<Record<string, string>> = { google: 'gcp' };

/** Fetches a secret; its value is recorded as an encrypted reference, and opened where a later step needs it (playbook language §6.8). */
const secretsStep = (providers: SecretProviders) =>
  defineStep<SecretsConfig, SecretsRequest>({
    kind: 'secrets',
    effect: true,
    defaultTimeoutSeconds: 30,
    parse: parseSecretsConfig,

    render(config, _inputs, scope, rendering) {
      const textOf = (field: 'provider' | 'name' | 'project' | 'version'): string | null => {
        const value = config[field].render(scope, rendering);
        if (value === null || value === '') return null;
        if (typeof value === 'object') throw refused(`${field} of a secrets step is a text`);
        return String(value).trim();
      };
      const provider = textOf('provider')?.toLowerCase();
      const name = textOf('name');
      if (!provider) throw refused('A secrets step needs a provider');
      if (!name) throw refused('A secrets step needs the name of a secret');
      const wanted = {
        provider: Object.hasOwn(PROVIDER_ALIASES, provider) ? PROVIDER_ALIASES[provider]! : provider,
        name,
        project: textOf('project'),
        version: textOf('version') ?? 'latest',
      };
      return { wanted, as: config.as };
    },

    async execute({ wanted, as }, { tenantId, auth, signal }): Promise<StepResult> {
      const login = [...auth.values()][0];
      const opened = login ? { type: login.type, version: login.version, fields: login.fields, secrets: [] } : null;
      const { value, version } = await providers.fetch(tenantId, wanted, opened, signal).catch(failStep);
      return {
        value: { secret_value: value, ...(as === null || as === 'secret_value' ? {} : { [as]: value }) },
        // Whoever opens the reference later gets the version that was found now.
        secret: { ...wanted, version: wanted.provider === 'credential' ? wanted.version : version },
      };
    },
  });

const factory: StepFactory = ({ secrets }) => secretsStep(secrets);
export default factory;

function parseSecretsConfig({ fields }: Action): SecretsConfig {
  const as = fields['as'] ?? null;
  if (as !== null && (typeof as !== 'string' || !IDENTIFIER.test(as))) {
    const message = 'as must be an identifier';
    throw new EngineError('invalid', 'invalid_document', message, [{ code: 'invalid_value', message, pointer: '/as' }]);
  }
  const template = (field: string): ValueTemplate => compileValue((fields[field] ?? null) as Json);
  return { provider: template('provider'), name: template('name'), project: template('project'), version: template('version'), as };
}

function refused(message: string): StepFailure {
  return new StepFailure('invalid_value', message, { retryable: false });
}

function failStep(error: unknown): never {
  if (error instanceof SecretsError) throw new StepFailure(error.code, error.message, { retryable: error.retryable });
  throw error;
}
