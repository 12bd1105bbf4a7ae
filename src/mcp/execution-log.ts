import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionEvent } from '../status/dto/execution-event.js';

/** One line for each thing that was logged: by `log` steps, and by code. */
export function logLines(events: readonly ExecutionEvent[]): string[] {
  return events.flatMap(({ created_at, node_name, event_type, meta, error }) => {
    const said = (isObject(meta as Json) ? meta : {}) as JsonObject;
    const line = (level: string, text: string): string => `${created_at} ${level} ${node_name}: ${text}`;
    const lines: string[] = [];
    if (event_type === 'step_log') {
      const data = said.data === undefined ? '' : JSON.stringify(said.data);
      lines.push(line(String(said.level), [said.message, data].filter((part) => part !== undefined && part !== '').join(' ')));
    }
    for (const text of textsOf(said.logs)) lines.push(line('info', text));
    if (error !== null && event_type !== 'execution_failing') lines.push(line('error', error));
    return lines;
  });
}

function textsOf(logs: Json | undefined): string[] {
  if (logs === undefined || logs === null) return [];
  if (typeof logs === 'string') return logs.split('\n');
  return Array.isArray(logs) ? logs.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry))) : [JSON.stringify(logs)];
}
