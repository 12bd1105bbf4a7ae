import { ERROR_CODES, type ErrorCode } from '../engine/error-codes.js';

interface ErrorGroup {
  readonly title: string;
  /** HTTP status of the problem document; null where the code stands in `error_details` of an execution. */
  readonly status: number | null;
  readonly action: string;
  readonly codes: readonly ErrorCode[];
}

/** What a client does about each code. A code that is in no group is listed at the end, with its meaning alone. */
const GROUPS: readonly ErrorGroup[] = [
  {
    title: 'Unreadable requests',
    status: 400,
    action: 'Repair what is sent: the same bytes are refused every time.',
    codes: [
      'malformed_json',
      'malformed_request',
      'depth_exceeded',
      'too_many_nodes',
      'invalid_unicode',
      'forbidden_key',
      'unsafe_number',
      'invalid_cursor',
      'invalid_header',
    ],
  },
  {
    title: 'Unreadable documents',
    status: 400,
    action: 'Repair the document where line and column point.',
    codes: ['malformed_yaml', 'document_too_complex'],
  },
  { title: 'Not authenticated', status: 401, action: 'Send valid credentials.', codes: ['unauthorized'] },
  {
    title: 'Not allowed',
    status: 403,
    action:
      'Ask an administrator for the scope that the detail names; secrets are given to nobody, and an approval is decided by its approvers.',
    codes: ['forbidden', 'secrets_are_write_only', 'approval_not_allowed'],
  },
  {
    title: 'Unknown things',
    status: 404,
    action: 'Check path, version and id; things of other tenants look like things that do not exist.',
    codes: [
      'not_found',
      'unknown_playbook',
      'unknown_version',
      'unknown_tag',
      'unknown_execution',
      'unknown_bulk_operation',
      'unknown_credential',
      'unknown_mcp_server',
      'unknown_approval',
    ],
  },
  { title: 'Wrong method', status: 405, action: 'Use one of the methods in the Allow header.', codes: ['method_not_allowed'] },
  { title: 'Wrong Accept', status: 406, action: 'Accept application/json.', codes: ['not_acceptable'] },
  { title: 'Too slow', status: 408, action: 'Send the request faster, on a new connection.', codes: ['request_timeout'] },
  {
    title: 'Conflicts',
    status: 409,
    action: 'Read the current state; the wish contradicts it and will not be fulfilled by repeating it.',
    codes: [
      'version_exists',
      'tool_name_taken',
      'entry_state_conflict',
      'already_completed',
      'already_failed',
      'already_cancelled',
      'not_ended',
      'input_not_asked',
      'execution_removed',
      'mcp_server_exists',
      'approval_already_decided',
    ],
  },
  { title: 'Lost updates', status: 412, action: 'Read the thing again, and repeat with its new ETag.', codes: ['etag_mismatch'] },
  {
    title: 'Too large',
    status: 413,
    action: 'Send less; keep large data where a step can fetch it.',
    codes: ['body_too_large', 'document_too_large'],
  },
  { title: 'Wrong media type', status: 415, action: 'Send application/json in UTF-8, not compressed.', codes: ['unsupported_media_type'] },
  {
    title: 'Invalid requests',
    status: 422,
    action: 'Repair the fields that errors[] points to.',
    codes: [
      'invalid_request',
      'missing_field',
      'unknown_field',
      'invalid_type',
      'invalid_value',
      'ambiguous_field',
      'invalid_version',
      'invalid_path',
      'empty_filter',
      'not_durable_unsupported',
      'version_conflict',
      'unsupported_kind',
      'unsupported_api_version',
      'execution_type_mismatch',
      'unknown_tool',
      'unknown_model',
      'invalid_inference_config',
      'invalid_tensor',
      'unsupported_execution_type',
      'unknown_signal',
      'schema_violation',
      'step_never_ran',
      'incompatible_version',
      'idempotency_key_reused',
      'stdio_not_allowed',
    ],
  },
  {
    title: 'Invalid playbooks',
    status: 422,
    action: 'Repair the document where errors[] points; POST /catalog/playbooks/validate tries it without registering.',
    codes: [
      'invalid_document',
      'duplicate_key',
      'unsupported_yaml',
      'missing_workflow',
      'too_many_steps',
      'duplicate_step',
      'duplicate_task',
      'invalid_step_name',
      'unknown_step',
      'unknown_task',
      'unknown_type',
      'invalid_next',
      'end_with_next',
      'invalid_join',
      'unsupported_construct',
      'template_syntax',
      'sql_context',
      'invalid_retry',
      'invalid_schema',
      'invalid_compensate',
    ],
  },
  {
    title: 'Warnings about playbooks',
    status: null,
    action: 'The document is accepted; look whether it is meant.',
    codes: ['unreachable_step', 'missing_api_version'],
  },
  {
    title: 'Too many requests',
    status: 429,
    action: 'Wait Retry-After seconds, then repeat with growing pauses.',
    codes: ['too_many_requests', 'queue_full'],
  },
  { title: 'Headers too large', status: 431, action: 'Send smaller headers.', codes: ['headers_too_large'] },
  { title: 'Faults', status: 500, action: 'Report it with the request id.', codes: ['internal_error'] },
  {
    title: 'Unavailable',
    status: 503,
    action: 'Wait Retry-After seconds, then repeat; for outcome_unknown look for the execution first.',
    codes: ['overloaded', 'database_unavailable', 'draining', 'outcome_unknown', 'encryption_key_missing', 'issuer_unavailable'],
  },
  {
    title: 'Failures of executions and steps',
    status: null,
    action: 'Read error_details and the events of the step; repair the playbook, its inputs or the other side, then start again.',
    codes: [
      'template_error',
      'template_limit',
      'assert_expects',
      'assert_returns',
      'output_schema_mismatch',
      'inputs_not_mapping',
      'python_error',
      'javascript_error',
      'step_error',
      'http_error',
      'invalid_model_response',
      'provider_unavailable',
      'circuit_open',
      'model_not_ready',
      'model_unavailable',
      'model_error',
      'sql_error',
      'invalid_parameters',
      'invalid_connection',
      'connection_error',
      'outbound_blocked',
      'response_too_large',
      'invalid_endpoint',
      'credential_type_mismatch',
      'missing_credential_field',
      'credential_unreadable',
      'unknown_secret',
      'secret_provider_error',
      'timeout',
      'signal_timeout',
      'join_unreachable',
      'execution_timeout',
      'cancelled',
      'retry_exhausted',
      'result_too_large',
      'result_not_storable',
      'loop_limit',
      'history_limit',
      'expired',
      'ephemeral_timeout',
      'poison',
      'script_unavailable',
      'invalid_transfer',
      'invalid_arguments',
      'tool_error',
      'tool_needs_input',
      'tool_definition_changed',
      'mcp_server_unavailable',
      'mcp_protocol_error',
      'approval_rejected',
      'approval_expired',
      'compensation_failed',
      'child_failed',
      'nesting_limit',
      'playbook_cycle',
      'too_many_playbooks',
    ],
  },
  {
    title: 'Steps that cannot run here',
    status: null,
    action: 'Install or configure what is missing, or leave the construct out.',
    codes: [
      'unsupported_type',
      'unsupported_storage',
      'unsupported_auth',
      'unsupported_script',
      'unsupported_pagination',
      'unsafe_sql',
      'runtime_unavailable',
      'sandbox_unavailable',
      'secret_provider_unavailable',
      'extension_unavailable',
      'unsupported_transfer',
    ],
  },
];

/** The text of docs/errors.md. */
export function errorGuide(): string {
  const grouped = new Set(GROUPS.flatMap(({ codes }) => codes));
  const rest = (Object.keys(ERROR_CODES) as ErrorCode[]).filter((code) => !grouped.has(code));
  const sections = rest.length === 0 ? GROUPS : [...GROUPS, { title: 'Others', status: null, action: 'Read the message.', codes: rest }];
  return `# Errors

Generated from the code by \`npm run openapi\`. Errors of requests are problem documents (RFC 9457, \`application/problem+json\`): \`code\` is one of
these, \`type\` is \`urn:showrunner:problem:<code>\`, \`errors[]\` has a code, a message and a JSON Pointer for each finding. Failures of executions
carry the code in \`error_details\`. A code is never renamed or reused.

${sections.map(section).join('\n')}`;
}

function section({ title, status, action, codes }: ErrorGroup): string {
  const rows = codes.map((code) => `| \`${code}\` | ${ERROR_CODES[code]} |`);
  return `## ${title}${status === null ? '' : ` (${status})`}\n\n${action}\n\n| code | meaning |\n| --- | --- |\n${rows.join('\n')}\n`;
}
