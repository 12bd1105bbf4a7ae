/** The owner's request examples, word for word; their answers completed with the fields the schemas always carry. */
export const REQUEST_EXAMPLES = {
  byId: {
    playbook_id: 'tests/fixtures/playbooks/hello_world/hello_world',
    parameters: { message: 'Hello World' },
    merge: false,
    parent_execution_id: 'exec_123',
    parent_event_id: 'event_456',
    parent_step: 'fetch_data',
  },
  byPath: {
    path: 'tests/fixtures/playbooks/hello_world/hello_world',
    version: 'v1.2.0',
    execution_type: 'playbook',
    parameters: { message: 'Hello World' },
    merge: false,
    sync_to_postgres: true,
    context: { parent_execution_id: 'exec_123', parent_event_id: 'event_456', parent_step: 'fetch_data' },
    metadata: { triggered_by: 'scheduler', priority: 'high' },
  },
  tool: {
    path: 'tools/data_validator',
    version: 'v2.0.0',
    execution_type: 'tool',
    parameters: { tool_name: 'data_validator', arguments: { dataset: 'customers', rules: ['required_fields', 'data_types'] } },
  },
  model: {
    path: 'models/sentiment_analysis',
    version: 'v3.1.0',
    execution_type: 'model',
    parameters: {
      model_name: 'sentiment_bert',
      inputs: { text: 'This product is amazing!' },
      inference_config: { temperature: 0.7, max_tokens: 100 },
    },
  },
  /** Of this type the owner has none: the workflow that comes with the service. */
  workflow: {
    path: 'workflows/review_feedback',
    version: '^1',
    execution_type: 'workflow',
    parameters: { records: [{ id: 'f1', product: 'lamp', text: 'I love this lamp.' }] },
  },
  rerun: { version: 'latest', parameters: { message: 'Hello again' }, delay: '5m' },
  fork: { from_step: 'transform', version: 'latest', parameters: { message: 'Hello again' } },
} as const;

const STARTED = {
  execution_id: '415923710348034048',
  id: '415923710348034048',
  timestamp: '2025-10-11T10:30:00.000Z',
  start_time: '2025-10-11T10:30:00.000Z',
  end_time: null,
  status: 'running',
  path: 'tests/fixtures/playbooks/hello_world/hello_world',
  playbook_id: 'tests/fixtures/playbooks/hello_world/hello_world',
  playbook_name: 'hello_world',
  catalog_id: '415923700000000000',
  execution_type: 'playbook',
  type: 'playbook',
  progress: 0,
  result: null,
  error: null,
  error_details: null,
  forked_from: null,
  durable: true,
} as const;

export const EXECUTION_RESPONSE_EXAMPLE = { ...STARTED, version: 'v1.2.0', requested_version: 'v1.2.0' } as const;

export const EXECUTION_STATUS_EXAMPLE = {
  ...STARTED,
  version: '1.2.0',
  requested_version: 'latest',
  updated_at: '2025-10-11T10:30:00.000Z',
  duration: null,
  duration_seconds: null,
  duration_human: null,
  current_step: 'start',
  waiting_for: null,
  parameters: null,
  parent_execution_id: 'exec_123',
  parent_event_id: 'event_456',
  parent_step: 'fetch_data',
  metadata: {},
  priority: 0,
  start_at: null,
  expires_at: null,
  timeout_at: null,
  digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
} as const;

export const ENDED = {
  status: 'completed',
  progress: 100,
  end_time: '2025-10-11T10:30:00.012Z',
  result: { message: 'Hello World' },
} as const;
