import { type PipeTransform } from '@nestjs/common';
import { type ErrorCode } from '../engine/error-codes.js';
import { EngineError } from '../engine/engine-error.js';

const MAX_ID = 2n ** 63n - 1n;

/** True for a positive 63-bit decimal in its canonical spelling. */
export const isId = (text: string): boolean => /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= MAX_ID;

/** An id in a path: one that cannot exist is as unknown (404) as one that does not. */
export class IdPipe implements PipeTransform<string, string> {
  constructor(
    private readonly code: ErrorCode,
    private readonly thing: string,
  ) {}

  transform(id: string): string {
    if (isId(id)) return id;
    throw new EngineError('not_found', this.code, `There is no ${this.thing} with this id.`);
  }
}

export const EXECUTION_ID = new IdPipe('unknown_execution', 'execution');
