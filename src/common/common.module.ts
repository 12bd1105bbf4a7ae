import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { Authentication } from './authentication.js';
import { PolicyGuard } from './policy.guard.js';
import { ProblemFilter } from './problem.filter.js';

/** The door of every request: who calls, what they may do, and how errors are told. */
@Global()
@Module({
  providers: [Authentication, { provide: APP_GUARD, useClass: PolicyGuard }, { provide: APP_FILTER, useClass: ProblemFilter }],
  exports: [Authentication],
})
export class CommonModule {}
