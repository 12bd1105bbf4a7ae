import { type Server } from 'node:http';
import { type Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type RequestLimits } from '../config/request-limits.js';
import { HttpRefusal } from './http-refusal.js';
import { readIdempotencyKeys } from './idempotency.js';
import { acceptJsonOnly } from './json-body.js';
import { NO_SUCH_ROUTE, problemDocument, problemOf } from './problem.js';
import { type ProblemFilter } from './problem.filter.js';
import { RequestGate } from './request-gate.js';
import { requestIdOf } from './request-id.js';
import { RouteTable } from './route-table.js';
import { leaveWhoDoesNotRead } from './slow-reader.js';

const CSP = "default-src 'none'; frame-ancestors 'none'; sandbox";

/** Fastify options of the door. Routes live at `/x`; `/api/x`, where older clients look, is the same route. */
export function doorOptions(limits: RequestLimits, filter: ProblemFilter): object {
  return {
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // Node refuses what reaches its maximum; the limit itself is still allowed.
    http: { maxHeaderSize: limits.headerBytes + 1, headersTimeout: limits.headersTimeoutMs, connectionsCheckingInterval: 1_000 },
    return503OnClosing: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 2_048 },
    rewriteUrl: ({ url = '/' }: { url?: string }) => (url.startsWith('/api/') ? url.slice(4) : url),
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => filter.answer(error, request, reply),
    clientErrorHandler: answerUnreadable,
  };
}

/** What the door has to know of the node. */
export interface NodeCondition {
  readonly draining: boolean;
  /** The database owes answers for longer than a request should wait. */
  readonly databaseSilent: boolean;
}

/** Hooks that every request passes, in this order: id and safe headers, known route, room for it; then the body is read. */
export function installDoor(fastify: FastifyInstance, limits: RequestLimits, filter: ProblemFilter, node: NodeCondition): RouteTable {
  const routes = new RouteTable();
  const gate = new RequestGate(
    limits,
    (error, request, reply) => filter.answer(error, request, reply),
    () => node.databaseSilent,
  );
  (fastify.server as Server).maxConnections = limits.connections;
  routes.watch(fastify);
  acceptJsonOnly(fastify, limits);
  readIdempotencyKeys(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff').header('content-security-policy', CSP);
    leaveWhoDoesNotRead(reply.raw, limits.requestTimeoutMs);
    if (request.is404) return done(noSuchRoute(routes.methodsOf(request.url)));
    if (node.draining) {
      // Who has a connection keeps it until the listening socket is closed: whoever would make another one just then may be cut off (closing-door.ts).
      if (!fastify.server.listening) void reply.header('connection', 'close');
      if (request.method === 'POST') return done(new HttpRefusal(503, 'draining', 'This node is shutting down.'));
    }
    try {
      gate.enter(request, reply);
      done();
    } catch (error) {
      done(error as HttpRefusal);
    }
  });
  fastify.addHook('preHandler', (request, reply, done) => {
    gate.read(request, reply);
    done();
  });
  fastify.addHook('onResponse', (_request, reply, done) => {
    gate.leave(reply);
    done();
  });
  fastify.addHook('onClose', (_instance, done) => {
    gate.close();
    done();
  });
  return routes;
}

function noSuchRoute(allowed: readonly string[]): HttpRefusal {
  if (allowed.length === 0) return new HttpRefusal(404, 'not_found', NO_SUCH_ROUTE);
  return new HttpRefusal(405, 'method_not_allowed', `This route knows ${allowed.join(', ')}.`, { allow: allowed.join(', ') });
}

/** Answers what Node's parser could not read; there is no request object yet. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem = problemOf(refusalOf(error.code));
  const body = JSON.stringify(problemDocument(problem, '', requestIdOf({ headers: {} })));
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function refusalOf(code: string | undefined): Error {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpRefusal(431, 'headers_too_large', 'The request headers are above the limit.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpRefusal(408, 'request_timeout', 'The request was not received in time.');
    default:
      return new HttpRefusal(400, 'malformed_request', 'The request cannot be read.');
  }
}
