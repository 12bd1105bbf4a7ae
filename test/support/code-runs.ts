import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type JsonObject } from '../../src/engine/values.js';
import { type HttpClient } from './http-client.js';

/** How an execution of one step of code ended. */
export interface CodeRun {
  readonly id: string;
  readonly status: string;
  readonly result: unknown;
  /** Of the step's failure. */
  readonly code: unknown;
  readonly message: string;
  readonly logs: string;
}

let registered = 0;

/** Registers a playbook of one step of this type and runs it to its end. */
export async function runStep(
  service: HttpClient,
  type: string,
  fields: JsonObject,
  options: { readonly timeout?: number; readonly parameters?: JsonObject } = {},
): Promise<CodeRun> {
  const id = await startStep(service, type, fields, options);
  const done = await service.waitDone(id, 60);
  const events = await service.events(id);
  const logs = events.map(({ meta }) => meta['logs']).find((text) => typeof text === 'string');
  const error = done['error_details'] as JsonObject | null;
  return {
    id,
    status: done.status,
    result: done['result'],
    code: error?.['code'],
    message: JSON.stringify(error ?? ''),
    logs: (logs as string | undefined) ?? '',
  };
}

/** Starts it only. @returns the id of the execution */
export async function startStep(
  service: HttpClient,
  type: string,
  fields: JsonObject,
  { timeout = 40, parameters = {} }: { readonly timeout?: number; readonly parameters?: JsonObject } = {},
): Promise<string> {
  const path = `code/run_${++registered}`;
  const content = JSON.stringify({
    apiVersion: 'noetl.io/v1',
    kind: 'Playbook',
    metadata: { name: `run_${registered}`, path },
    workflow: [
      { step: 'start', next: 'act' },
      { step: 'act', type, timeout, ...fields, next: 'end' },
      { step: 'end', result: '{{ act }}' },
    ],
  });
  await service.register(content);
  return service.execute(path, { parameters });
}

/** Ids of processes whose command line or folder shows that they are descendants of `root`, or whose file `marker` names them. */
export function processesWith(marker: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(marker);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Whether bubblewrap works on this machine: the suite runs under it too then. */
export function hasBubblewrap(): boolean {
  try {
    execFileSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--', '/bin/true'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
