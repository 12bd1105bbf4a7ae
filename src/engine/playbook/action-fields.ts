import { LOG_LEVELS } from './reports.js';

/** What a field may hold when it is not a template. */
export type FieldKind = 'text' | 'mapping' | 'list' | 'bool' | 'count' | 'any';

interface FieldRule {
  readonly kind: FieldKind;
  readonly aliases?: readonly string[];
  /** The allowed words, lower case. */
  readonly words?: readonly string[];
}

interface ActionRule {
  readonly fields: Readonly<Record<string, FieldRule>>;
  /** Each group needs at least one of its fields. */
  readonly required: readonly (readonly string[])[];
  /** Keys that the table does not name are kept as fields (types whose fields belong to a plug-in). */
  readonly open?: boolean;
  /** Registrable, but no executor exists. */
  readonly unsupported?: boolean;
}

const text: FieldRule = { kind: 'text' };
const any: FieldRule = { kind: 'any' };

const COMMAND: FieldRule = { kind: 'any', aliases: ['commands', 'sql', 'script', 'query', 'statement'] };

const CONNECTION = Object.fromEntries(
  ['db_host', 'db_port', 'db_user', 'db_password', 'db_name', 'db_schema', 'sslmode', 'connection', 'db_conn_string'].map((name) => [
    name,
    any,
  ]),
);

const OPEN: ActionRule = { fields: {}, required: [], open: true };
const UNSUPPORTED: ActionRule = { ...OPEN, unsupported: true };

/**
 * The fields of every action type under their canonical names, with the other names they go by in older dialects.
 * `iterator` and `save` have shapes of their own (normalise-loop.ts, normalise-save.ts).
 */
export const ACTION_RULES: Readonly<Record<string, ActionRule>> = {
  python: { fields: { code: text, script: { kind: 'mapping' } }, required: [['code', 'script']] },
  javascript: { fields: { code: text, script: { kind: 'mapping' } }, required: [['code', 'script']] },
  http: {
    fields: {
      endpoint: { kind: 'text', aliases: ['url'] },
      method: { kind: 'text', words: ['get', 'post', 'put', 'delete', 'patch', 'head', 'options'] },
      headers: { kind: 'mapping' },
      verify: { kind: 'bool', aliases: ['verify_ssl'] },
    },
    required: [['endpoint']],
  },
  workbook: { fields: { name: { kind: 'text', aliases: ['task', 'workbook'] } }, required: [['name']] },
  postgres: {
    fields: { command: COMMAND, parameters: any, transaction: { kind: 'bool' }, ...CONNECTION },
    required: [['command']],
  },
  duckdb: {
    fields: { command: COMMAND, parameters: any, transaction: { kind: 'bool' }, database: text, files: any, ...CONNECTION },
    required: [['command']],
  },
  playbook: {
    fields: { path: { kind: 'text', aliases: ['catalog_path'] }, content: text, version: any, return_step: text },
    required: [['path', 'content']],
  },
  playbooks: {
    fields: { catalog_path: text, parallel: { kind: 'bool' }, version: any },
    required: [['catalog_path']],
  },
  secrets: {
    fields: {
      provider: text,
      name: { kind: 'text', aliases: ['secret_name'] },
      project: { kind: 'text', aliases: ['project_id'] },
      version: any,
      as: text,
    },
    required: [['provider'], ['name']],
  },
  transfer: {
    fields: { source: { kind: 'mapping' }, target: { kind: 'mapping' }, chunk_size: { kind: 'count' }, mapping: { kind: 'mapping' } },
    required: [['source'], ['target']],
  },
  mcp: { fields: { server: text, tool: text, definition: text }, required: [['server'], ['tool']] },
  wait: { fields: { duration: any, until: any }, required: [['duration', 'until']] },
  wait_for: { fields: { name: { kind: 'text', aliases: ['signal'] }, schema: any }, required: [['name']] },
  input: { fields: { requests: any }, required: [['requests']] },
  progress: { fields: { progress: any, total: any, message: text }, required: [['progress']] },
  log: { fields: { level: { kind: 'text', words: LOG_LEVELS }, message: text, data: any, logger: text }, required: [['message', 'data']] },
  fail: { fields: { message: text, code: text, details: any }, required: [['message']] },
  approval: {
    fields: {
      title: text,
      message: text,
      approvers: any,
      quorum: any,
      expires_in: { kind: 'any', aliases: ['timeout'] },
      form: any,
      data: any,
    },
    required: [['title'], ['approvers']],
  },
  tool: { fields: { path: { kind: 'text', aliases: ['catalog_path'] }, version: any, return_step: text }, required: [['path']] },
  model: { fields: { path: { kind: 'text', aliases: ['catalog_path'] }, version: any, return_step: text }, required: [['path']] },
  workflow: { fields: { path: { kind: 'text', aliases: ['catalog_path'] }, version: any, return_step: text }, required: [['path']] },
  // What a Model becomes (kinds/model-kind.ts); no document says it.
  model_call: { fields: { spec: { kind: 'mapping' } }, required: [['spec']] },
  snowflake: UNSUPPORTED,
  snowflake_transfer: UNSUPPORTED,
  ducklake: UNSUPPORTED,
  container: UNSUPPORTED,
  gateway: UNSUPPORTED,
  script: UNSUPPORTED,
};

/** Words for "no action". */
export const ROUTER_WORDS: readonly string[] = ['router', 'noop', 'start', 'end'];

/** Every word a step may have as its type. */
export const TYPE_WORDS: readonly string[] = [...Object.keys(ACTION_RULES), 'iterator', 'loop', 'save', ...ROUTER_WORDS];
