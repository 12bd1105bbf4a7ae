import { type Issue } from '../engine-error.js';
import { type ErrorCode } from '../error-codes.js';
import { type Position } from './source-positions.js';

/** More than this helps nobody, and a hostile document could ask for very many. */
const MOST = 200;

/** What is wrong, or merely odd, in a document. Collected, so that the author sees everything at once. */
export class Findings {
  readonly errors: Issue[] = [];
  readonly warnings: Issue[] = [];

  constructor(private readonly locate: (pointer: string) => Position) {}

  error(code: ErrorCode, pointer: string, message: string, position?: Position): void {
    this.add(this.errors, code, pointer, message, position);
  }

  warn(code: ErrorCode, pointer: string, message: string): void {
    this.add(this.warnings, code, pointer, message);
  }

  private add(list: Issue[], code: ErrorCode, pointer: string, message: string, position?: Position): void {
    if (list.length < MOST) list.push({ code, message, pointer, ...(position ?? this.locate(pointer)) });
  }
}
