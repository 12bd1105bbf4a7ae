import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { type DtoClass } from './schema-of.js';

/** class-validator's findings about a body; the same rules as the schema, in words. Slow: only for what the compiled check refused. */
export function findingsOf(dto: DtoClass, body: object): ValidationError[] {
  const instance = plainToInstance(dto as unknown as new () => object, body, { exposeDefaultValues: true });
  return validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
}

/** Message by JSON Pointer. */
export function wordingOf(dto: DtoClass, body: object): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  const collect = (findings: readonly ValidationError[], parent: string): void => {
    for (const { property, constraints, children } of findings) {
      const pointer = `${parent}/${property}`;
      const message = Object.values(constraints ?? {})[0];
      if (message !== undefined) words.set(pointer, message);
      collect(children ?? [], pointer);
    }
  };
  collect(findingsOf(dto, body), '');
  return words;
}
