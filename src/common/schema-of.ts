import { type INestApplication } from '@nestjs/common';
import { SwaggerModule } from '@nestjs/swagger';
import { type JsonObject } from '../engine/values.js';

// A Nest application as far as the scanner of @nestjs/swagger looks at one without routes.
const NO_ROUTES = {
  container: { getModules: () => new Map() },
  config: { getGlobalPrefix: () => '' },
  getHttpAdapter: () => ({ getType: () => 'fastify' }),
} as unknown as INestApplication;

/** A class as @nestjs/swagger documents it. */
export type DtoClass<T = object> = abstract new (...parameters: never[]) => T;

/** The OpenAPI 3.1 schemas (JSON Schema 2020-12) of a class and of what it refers to, by name: the same ones the document shows. */
export function schemasOf(dto: DtoClass): Record<string, JsonObject> {
  const document = SwaggerModule.createDocument(
    NO_ROUTES,
    { openapi: '3.1.0', info: { title: '', version: '' }, components: {} },
    { extraModels: [dto as never] },
  );
  return closed(document.components?.schemas as unknown as Record<string, JsonObject>);
}

/** Refuses fields that a class does not declare, unless it says that it is open. */
export function closed(schemas: Record<string, JsonObject>): Record<string, JsonObject> {
  for (const schema of Object.values(schemas)) {
    if (schema.type === 'object' && schema.properties !== undefined) schema.additionalProperties ??= false;
  }
  return schemas;
}
