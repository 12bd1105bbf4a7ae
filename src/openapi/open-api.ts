import { type INestApplication, Injectable } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { BEARER_SCHEME } from '../common/bearer-scheme.js';
import { ProblemDocument } from '../common/dto/problem-document.js';
import { SERVICE_VERSION } from '../config/service-version.js';
import { completed } from './completed.js';

const DESCRIPTION = `Register a versioned playbook, start it by id or by path and semantic version, follow it to a durable end.

What is promised:

- An acked start is durable: the row and its first event are committed before the answer leaves; except answers that say \`"durable": false\`.
- The same \`Idempotency-Key\` with the same body is the same execution for 24 hours at least, also concurrently and across nodes; another body is refused.
- An execution reaches exactly one terminal state, once; terminal state and result never change.
- Steps run at least once; a *completed* step is never run again, and only the lease holder's result is recorded.
- Limits are enforced at the door with 4xx and a code, never by a crash.
- Events of one execution are gapless and ordered.

Where tokens are asked for, each operation takes one with the scope it names in its 403; 401 says where tokens come from (\`WWW-Authenticate\`).

Errors are problem documents (RFC 9457); \`code\` is stable. Every route also exists below \`/api\`.`;

/** The OpenAPI document of the running application; made once, at boot. */
@Injectable()
export class OpenApi {
  private made: OpenAPIObject | undefined;

  get document(): OpenAPIObject {
    if (!this.made) throw new Error('the OpenAPI document is not made yet');
    return this.made;
  }

  describe(app: INestApplication): void {
    const config = new DocumentBuilder()
      .setOpenAPIVersion('3.1.0')
      .setTitle('Showrunner')
      .setDescription(DESCRIPTION)
      .setVersion(SERVICE_VERSION)
      .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
      .addServer('/')
      .addServer('/api', 'The same routes, where older clients look for them')
      .addBearerAuth(BEARER_SCHEME, 'bearer')
      .addSecurityRequirements({ bearer: [] })
      // Where no issuer is configured, nobody is asked.
      .addSecurityRequirements({})
      .addTag('executions', 'Start, read and control executions')
      .addTag('catalog', 'Register and find playbooks')
      .addTag('credentials', 'Store what playbooks log in with')
      .addTag('mcp-servers', 'Register MCP servers and take over their tools')
      .addTag('health', 'Whether this node works')
      .build();
    this.made = completed(SwaggerModule.createDocument(app, config, { extraModels: [ProblemDocument] }));
  }
}
