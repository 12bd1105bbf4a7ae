import { type DuckDbSecret } from '../../engine/duckdb-port.js';
import { type ResolvedCredential } from '../../engine/step-executor.js';
import { type Json, own } from '../../engine/values.js';
import { databaseTarget } from '../../sql/database-target.js';

/** The secrets that the credentials of a step become, named after their aliases (playbook language §10.3). Other types make none. */
export function secretsOf(auth: ReadonlyMap<string, ResolvedCredential>): DuckDbSecret[] {
  return [...auth.values()].flatMap((credential) => secretOf(credential) ?? []);
}

function secretOf({ alias, type, fields }: ResolvedCredential): DuckDbSecret | null {
  const text = (...names: string[]): string | undefined =>
    names.map((name) => textOf(own(fields, name))).find((value) => value !== undefined);
  const name = text('secret_name') ?? alias;
  switch (type) {
    case 'postgres':
    case 'postgresql': {
      const { host, port, user, password, database } = databaseTarget(fields);
      return { name, type: 'postgres', parameters: { HOST: host, PORT: String(port), USER: user, PASSWORD: password, DATABASE: database } };
    }
    case 's3':
    case 'gcs':
    case 'gcs_hmac':
    case 'hmac': {
      const isS3 = type === 's3' || text('service') === 's3';
      const given = {
        KEY_ID: text('key_id'),
        SECRET: text('secret_key', 'secret'),
        SCOPE: text('scope'),
        REGION: text('region'),
        ENDPOINT: text('endpoint'),
      };
      const parameters = Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined));
      return { name, type: isS3 ? 's3' : 'gcs', parameters };
    }
    default:
      return null;
  }
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}
