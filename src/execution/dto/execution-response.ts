import { PickType } from '@nestjs/swagger';
import { ExecutionStatus } from '../../status/dto/execution-status.js';

/** Lightweight execution acknowledgement; the status of the execution tells the progress. */
export class ExecutionResponse extends PickType(ExecutionStatus, [
  'execution_id',
  'id',
  'timestamp',
  'start_time',
  'end_time',
  'status',
  'path',
  'playbook_id',
  'playbook_name',
  'catalog_id',
  'version',
  'requested_version',
  'execution_type',
  'type',
  'progress',
  'result',
  'error',
  'error_details',
  'forked_from',
  'durable',
] as const) {
  /** The acknowledgement's share of a status. */
  static from(status: ExecutionStatus): ExecutionResponse {
    return {
      execution_id: status.execution_id,
      id: status.id,
      timestamp: status.timestamp,
      start_time: status.start_time,
      end_time: status.end_time,
      status: status.status,
      path: status.path,
      playbook_id: status.playbook_id,
      playbook_name: status.playbook_name,
      catalog_id: status.catalog_id,
      version: status.version,
      requested_version: status.requested_version,
      execution_type: status.execution_type,
      type: status.type,
      progress: status.progress,
      result: status.result,
      error: status.error,
      error_details: status.error_details,
      forked_from: status.forked_from,
      durable: status.durable,
    };
  }
}
