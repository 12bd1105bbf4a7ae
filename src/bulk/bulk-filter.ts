import { EngineError } from '../engine/engine-error.js';
import { filterOf } from '../status/list-filter.js';
import { type ExecutionFilter } from '../storage/repositories/execution.repository.js';
import { type BulkFilter } from './dto/bulk-filter.js';

/** The executions a bulk operation is about. @throws EngineError empty_filter, or invalid_request with a pointer to each bad value */
export function bulkFilterOf(written: BulkFilter): ExecutionFilter {
  const filter = filterOf(written, '/filter');
  if (Object.values(filter).some(narrows)) return filter;
  throw new EngineError('invalid', 'empty_filter', 'The filter names nothing: a bulk operation must say which executions it is about.', [
    { pointer: '/filter', code: 'empty_filter', message: 'must name at least one thing' },
  ]);
}

/** True for a part of a filter that leaves anything out. */
function narrows(part: ExecutionFilter[keyof ExecutionFilter]): boolean {
  if (part === null) return false;
  return typeof part === 'object' ? Object.keys(part).length > 0 : true;
}
