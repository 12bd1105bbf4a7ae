import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiExcludeController, type OpenAPIObject } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { EngineError } from '../engine/engine-error.js';
import { Produces, Public } from '../common/policy.js';
import { OpenApi } from './open-api.js';

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Showrunner API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="ui"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true });\n`;

/** The files of swagger-ui-dist that the page needs; nothing else of that folder is served. */
const ASSETS: Readonly<Record<string, string>> = { 'swagger-ui.css': 'text/css', 'swagger-ui-bundle.js': 'text/javascript' };

/** The OpenAPI document, and a page to read it with; nothing comes from another server. */
@ApiExcludeController()
@Controller()
export class DocsController {
  private readonly loaded = new Map<string, Promise<Buffer>>();

  constructor(private readonly openApi: OpenApi) {}

  @Get('openapi.json')
  @Public()
  document(): OpenAPIObject {
    return this.openApi.document;
  }

  @Get('docs')
  @Public()
  @Produces('text/html')
  page(@Res({ passthrough: true }) reply: FastifyReply): string {
    void reply.header('content-security-policy', CSP).type('text/html');
    return PAGE;
  }

  @Get('docs/:file')
  @Public()
  @Produces('text/css', 'text/javascript')
  async asset(@Param('file') file: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer | string> {
    if (file === 'start.js') {
      void reply.type('text/javascript');
      return START;
    }
    const mediaType = Object.hasOwn(ASSETS, file) ? ASSETS[file] : undefined;
    if (mediaType === undefined) throw new EngineError('not_found', 'not_found', 'There is no such file.');
    void reply.type(mediaType).header('cache-control', 'max-age=3600');
    return this.load(file);
  }

  private load(file: string): Promise<Buffer> {
    const known = this.loaded.get(file);
    if (known) return known;
    // swagger-ui-dist comes with @nestjs/swagger, and is found from there.
    const swagger = createRequire(createRequire(import.meta.url).resolve('@nestjs/swagger/package.json'));
    const content = readFile(join(dirname(swagger.resolve('swagger-ui-dist/package.json')), file));
    this.loaded.set(file, content);
    return content;
  }
}
