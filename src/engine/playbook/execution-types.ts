import { type NewRun } from '../ports.js';
import { type EntryKind } from './playbook.js';

const TYPES: Readonly<Record<EntryKind, NewRun['executionType']>> = {
  Playbook: 'playbook',
  Workflow: 'workflow',
  Tool: 'tool',
  Model: 'model',
  // What they make, they make as a playbook does.
  Prompt: 'playbook',
  Resource: 'playbook',
};

/** The execution type of the runs of a kind, as the catalog stores it. */
export function executionTypeOf(kind: string): NewRun['executionType'] {
  return TYPES[kind as EntryKind];
}
