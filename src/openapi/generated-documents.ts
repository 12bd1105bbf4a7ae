import { pino } from 'pino';
import { Environment } from '../config/environment.js';
import { readRequestLimits } from '../config/request-limits.js';
import { createHttpApp } from '../http-app.js';
import { describedModule } from './api-controllers.js';
import { errorGuide } from './error-guide.js';
import { OpenApi } from './open-api.js';

/** What is generated from the code and committed, by file name below docs/. */
export async function generatedDocuments(): Promise<ReadonlyMap<string, string>> {
  const app = await createHttpApp(describedModule(), { limits: readRequestLimits(new Environment({})) }, pino({ level: 'silent' }));
  const { document } = app.get(OpenApi, { strict: false });
  await app.close();
  return new Map([
    ['openapi.json', `${JSON.stringify(document, null, 2)}\n`],
    ['errors.md', errorGuide()],
  ]);
}
