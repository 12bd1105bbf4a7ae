/** What a real document needs besides the service. */
export type Need = 'python' | 'http' | 'postgres' | 'duckdb' | 'credentials' | 'children' | 'pagination' | 'script' | 'cloud' | 'waits';

/** How it ends here, where everything it needs can be had: `completed`, the code and the step of its failure, or the code of its refusal. */
export type Ends = 'completed' | `${string} at ${string}` | `refused: ${string}`;

export interface CorpusEntry {
  readonly needs: readonly Need[];
  readonly ends: Ends;
  /** The test that shows it, in test/api. */
  readonly spec: string;
}

const SHORT = 'tests/fixtures/playbooks';
const DOCUMENTS = 'documents.spec.ts';
const HTTP = 'corpus/http-documents.spec.ts';
const POSTGRES = 'corpus/postgres-documents.spec.ts';
const SAVES = 'corpus/save-documents.spec.ts';
const CREDENTIALS = 'corpus/credential-documents.spec.ts';
const CALLS = 'corpus/composition-documents.spec.ts';
const SCRIPTS = 'corpus/script-documents.spec.ts';
const PAGES = 'corpus/pagination-documents.spec.ts';

const entry = (needs: readonly Need[], ends: Ends, spec: string): CorpusEntry => ({ needs, ends, spec });

/** Every real document (test/fixtures/playbooks), what it needs and how it ends. */
export const CORPUS: Readonly<Record<string, CorpusEntry>> = {
  'call/playbook/postgres_test.yaml': entry(['postgres'], 'completed', POSTGRES),
  'call/playbook/weather.yaml': entry(['python', 'http'], 'python_error at fetch_weather', HTTP),
  'oct2025/examples/batch/multi_playbook_example.yaml': entry(['children', 'python'], 'python_error at store_results', CALLS),
  'oct2025/examples/google_secret_manager/secrets_test.yaml': entry(['credentials', 'python', 'cloud'], 'completed', CREDENTIALS),
  'oct2025/examples/iac/gcp_vm/gcp_vm_provision_playbook.yaml': entry(['cloud'], 'refused: invalid_next', DOCUMENTS),
  'oct2025/examples/postgres/postgres_test.yaml': entry(['postgres', 'credentials', 'python'], 'completed', POSTGRES),
  'oct2025/examples/unified-auth/duckdb-multi.yaml': entry(['postgres', 'duckdb', 'credentials', 'cloud'], 'sql_error at setup_postgres_table', CREDENTIALS), // prettier-ignore
  'oct2025/examples/unified-auth/http-patterns.yaml': entry(['http', 'credentials'], 'completed', CREDENTIALS),
  'oct2025/examples/weather/city_process.yaml': entry(['http', 'python'], 'completed', HTTP),
  'oct2025/examples/weather/weather_example.yaml': entry(['python', 'http'], 'python_error at fetch_weather', HTTP),
  'oct2025/examples/weather/weather_loop_example.yaml': entry(['children', 'http', 'python', 'postgres', 'duckdb'], 'completed', CALLS),
  'oct2025/test_data_transition_fix.yaml': entry(['python'], 'completed', DOCUMENTS),
  'oct2025/test_storage_structures.yaml': entry(['python', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`oct2025/${SHORT}/control_flow_workbook/control_flow_workbook.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`oct2025/${SHORT}/hello_world/hello_world.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`oct2025/${SHORT}/http_duckdb_postgres/http_duckdb_postgres.yaml`]: entry(['http', 'postgres', 'duckdb', 'credentials', 'cloud'], 'extension_unavailable at aggregate_with_duckdb', SAVES), // prettier-ignore
  [`oct2025/${SHORT}/playbook_composition/playbook_composition.yaml`]: entry(['children', 'python', 'postgres', 'credentials'], 'completed', CALLS), // prettier-ignore
  [`oct2025/${SHORT}/playbook_composition/user_profile_scorer.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`oct2025/${SHORT}/save_storage_test/create_tables.yaml`]: entry(['postgres', 'credentials'], 'completed', POSTGRES),
  [`oct2025/${SHORT}/save_storage_test/save_all_storage_types.yaml`]: entry(['python', 'postgres', 'duckdb', 'http', 'credentials'], 'completed', SAVES), // prettier-ignore
  [`oct2025/${SHORT}/save_storage_test/save_delegation_test.yaml`]: entry(['python', 'postgres', 'duckdb', 'http', 'credentials'], 'completed', SAVES), // prettier-ignore
  [`oct2025/${SHORT}/save_storage_test/save_edge_cases.yaml`]: entry(['python', 'postgres', 'duckdb', 'http', 'credentials'], 'completed', SAVES), // prettier-ignore
  [`oct2025/${SHORT}/save_storage_test/save_simple_test.yaml`]: entry(['python', 'postgres', 'credentials'], 'sql_error at postgres_nested_test', POSTGRES), // prettier-ignore
  'rootname/examples/test/loop_http_test.yaml': entry(['http', 'python'], 'completed', HTTP),
  'rootname/examples/test/postgres_save_simple.yaml': entry(['postgres', 'credentials'], 'completed', POSTGRES),
  [`tool/${SHORT}/control_flow_workbook/control_flow_workbook.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`tool/${SHORT}/data_transfer/http_iterator_save_postgres/http_iterator_save_postgres.yaml`]: entry(['http', 'python', 'postgres', 'credentials'], 'completed', POSTGRES), // prettier-ignore
  [`tool/${SHORT}/data_transfer/postgres_jsonb_test/postgres_jsonb_test.yaml`]: entry(['python', 'postgres', 'credentials'], 'completed', POSTGRES), // prettier-ignore
  [`tool/${SHORT}/hello_world/hello_world.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`tool/${SHORT}/json_serialization_save.yaml`]: entry(['python', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`tool/${SHORT}/pagination/basic/test_pagination_basic.yaml`]: entry(['http', 'pagination', 'python'], 'completed', PAGES),
  [`tool/${SHORT}/pagination/cursor/test_pagination_cursor.yaml`]: entry(['http', 'pagination', 'python'], 'completed', PAGES),
  [`tool/${SHORT}/pagination/retry/test_pagination_retry.yaml`]: entry(['http', 'pagination', 'python', 'waits'], 'completed', PAGES),
  [`tool/${SHORT}/playbook_composition/playbook_composition.yaml`]: entry(['children', 'python', 'postgres', 'credentials'], 'completed', CALLS), // prettier-ignore
  [`tool/${SHORT}/playbook_composition/user_profile_scorer.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`tool/${SHORT}/save_storage_test/create_tables.yaml`]: entry(['postgres', 'credentials'], 'completed', POSTGRES),
  [`tool/${SHORT}/save_storage_test/save_simple_test.yaml`]: entry(['children', 'python', 'postgres', 'credentials'], 'completed', CALLS),
  [`tool/${SHORT}/script_execution/python_http_example.yaml`]: entry(['script', 'http', 'python'], 'completed', SCRIPTS),
  [`tool/${SHORT}/test_args_passing.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  'type/docs/refactor/control-loop/examples/00-simple-playbook-v2.yaml': entry(['python'], 'completed', DOCUMENTS),
  'type/test_retry_always_fail.yaml': entry(['python', 'waits'], 'python_error at failing_task', DOCUMENTS),
  [`type/${SHORT}/broken_sql.yaml`]: entry(['postgres', 'credentials'], 'sql_error at verify_pg_data', POSTGRES),
  [`type/${SHORT}/city_http_to_pg.yaml`]: entry(['http', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`type/${SHORT}/control_flow_workbook/control_flow_workbook.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`type/${SHORT}/data_transfer/http_to_postgres_direct.yaml`]: entry(['http', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`type/${SHORT}/data_transfer/http_to_postgres_iterator.yaml`]: entry(['http', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`type/${SHORT}/data_transfer/http_to_postgres_simple.yaml`]: entry(['http', 'python', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`type/${SHORT}/hello_world/hello_world.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`type/${SHORT}/loop_controller_numbers.yaml`]: entry(['python', 'postgres', 'credentials'], 'completed', POSTGRES),
  [`type/${SHORT}/loop_http_test_sequential.yaml`]: entry(['http', 'python'], 'completed', HTTP),
  [`type/${SHORT}/postgres_save_simple.yaml`]: entry(['postgres', 'credentials'], 'refused: unknown_step', DOCUMENTS),
  [`type/${SHORT}/retry_test/http_retry_status_code.yaml`]: entry(['http', 'waits'], 'http_error at start', HTTP),
  [`type/${SHORT}/retry_test/http_retry_with_stop.yaml`]: entry(['http'], 'completed', HTTP),
  [`type/${SHORT}/retry_test/postgres_retry_connection.yaml`]: entry(['postgres', 'credentials', 'waits'], 'completed', POSTGRES),
  [`type/${SHORT}/retry_test/python_retry_exception.yaml`]: entry(['python', 'waits'], 'completed', DOCUMENTS),
  [`type/${SHORT}/save_storage_test/save_all_storage_types.yaml`]: entry(['python', 'postgres', 'duckdb', 'http', 'credentials'], 'completed', SAVES), // prettier-ignore
  [`type/${SHORT}/save_storage_test/save_edge_cases.yaml`]: entry(['python', 'postgres', 'duckdb', 'http', 'credentials'], 'completed', SAVES), // prettier-ignore
  [`type/${SHORT}/simple_test.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`type/${SHORT}/test_start_with_action.yaml`]: entry(['python'], 'completed', DOCUMENTS),
  [`type/${SHORT}/unified_auth_example.yaml`]: entry(['postgres', 'duckdb', 'http', 'credentials', 'cloud'], 'extension_unavailable at multi_credential_duckdb_step', SAVES), // prettier-ignore
};
