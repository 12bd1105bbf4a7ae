import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Caller } from '../common/caller.js';
import { Policy } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { RequestPipe } from '../common/request-pipe.js';
import { CleanupService } from './cleanup.service.js';
import { CleanupRequest, CleanupResponse } from './dto/cleanup.js';

/** Checks the body of a clean-up. */
export const CLEANUP_REQUEST = new RequestPipe(CleanupRequest);

/** The older form of cancelling many executions. */
@ApiTags('executions')
@Controller('executions')
export class CleanupController {
  constructor(private readonly cleanup: CleanupService) {}

  @Post('cleanup')
  @HttpCode(200)
  @Policy('executions:control')
  @ApiOperation({
    operationId: 'cleanupExecutions',
    summary: 'Cancel executions that have been open for long (old form)',
    description: 'The oldest 1,000 at most; POST /bulk-operations has no such bound.',
    deprecated: true,
  })
  @ApiOkResponse({ type: CleanupResponse })
  cancelOld(@Caller() principal: Principal, @Body(CLEANUP_REQUEST) request: CleanupRequest): Promise<CleanupResponse> {
    return this.cleanup.cancelOlderThan(principal, request.older_than_minutes * 60_000, request.dry_run);
  }
}
