import { type Action } from '../../engine/playbook/playbook.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { type Json, own } from '../../engine/values.js';
import { assertedTables } from '../../sql/asserted-tables.js';
import { compiled, type ConnectionConfig, connectionConfig } from '../../sql/connection-config.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';

/** A postgres action with its templates compiled. */
export interface PostgresConfig {
  readonly command: SqlCommand;
  readonly parameters: ValueTemplate;
  /** Renders to whether all statements share a transaction. */
  readonly transaction: ValueTemplate;
  readonly connection: ConnectionConfig;
  /** What its contract may mean tables by. */
  readonly tables: readonly string[];
}

/** Reads the fields of a postgres action. Throws EngineError `invalid_document` whose pointers are relative to the action. */
export function parsePostgresConfig(action: Action): PostgresConfig {
  const field = (name: string): Json => own(action.fields, name) ?? null;
  return {
    command: compileCommand(field('command'), 'postgres', '/command'),
    parameters: compiled(field('parameters'), '/parameters'),
    transaction: compiled(field('transaction') ?? true, '/transaction'),
    connection: connectionConfig(action.fields, action.auth, ''),
    tables: assertedTables(action),
  };
}
