import { applyDecorators, Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Public } from '../common/policy.js';
import { HttpRefusal } from '../common/http-refusal.js';
import { Readiness } from './readiness.js';

export class Health {
  @ApiProperty({ enum: ['ok'], enumName: 'HealthState' })
  readonly status!: 'ok';
}

const OK: Health = { status: 'ok' };

function ApiHealth(operationId: string, summary: string): MethodDecorator {
  return applyDecorators(Public(), ApiOperation({ operationId, summary }), ApiOkResponse({ type: Health }));
}

/** For load balancers and orchestrators of containers. */
@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get()
  @ApiHealth('getHealth', 'Ready, in the words of old clients')
  health(): Promise<Health> {
    return this.ready();
  }

  @Get('live')
  @ApiHealth('getLiveness', 'The process answers')
  live(): Health {
    return OK;
  }

  @Get('ready')
  @ApiHealth('getReadiness', 'The database answers within a second, and the node is not shutting down')
  async ready(): Promise<Health> {
    if (await this.readiness.check()) return OK;
    if (this.readiness.draining) throw new HttpRefusal(503, 'draining', 'This node is shutting down.');
    throw new HttpRefusal(503, 'database_unavailable', 'The database does not answer.');
  }
}
