import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { lingerBeforeClose } from './lingering-close.js';
import { problemDocument, problemOf } from './problem.js';

/** Answers every error as a problem document; only what nobody expected is logged, with its stack. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly log = new Logger(ProblemFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Also for errors that arise before Nest is asked. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = problemOf(error);
    if (problem.unexpected) this.log.error(`request ${request.id}: ${String(error)}`, error instanceof Error ? error.stack : undefined);
    if (reply.sent || reply.raw.headersSent) return;
    if (!request.raw.complete) lingerBeforeClose(request.raw);
    const document = problemDocument(problem, request.originalUrl.split('?', 1)[0] ?? request.originalUrl, request.id);
    void reply.code(problem.status).headers(problem.headers).type('application/problem+json').send(JSON.stringify(document));
  }
}
