import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { PolicyGuard } from './policy.guard.js';
import { ProblemFilter } from './problem.filter.js';

/** The door of every request: what callers may do, and how errors are told. */
@Global()
@Module({
  providers: [
    { provide: APP_GUARD, useClass: PolicyGuard },
    { provide: APP_FILTER, useClass: ProblemFilter },
  ],
})
export class CommonModule {}
