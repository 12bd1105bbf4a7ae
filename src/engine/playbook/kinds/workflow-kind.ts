import { type KindReader } from './kind-reader.js';
import { playbookReader } from './playbook-kind.js';

/** `kind: Workflow`: the same language as that of a Playbook; what differs is what its executions are called (docs/workflows.md). */
export const workflowReader: KindReader = { ...playbookReader };
