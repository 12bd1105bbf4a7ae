import { Module } from '@nestjs/common';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Logger, pino } from 'pino';
import { type Principal } from '../../src/common/principal.js';
import { Environment } from '../../src/config/environment.js';
import { readRequestLimits } from '../../src/config/request-limits.js';
import { ControlController } from '../../src/execution/control.controller.js';
import { ControlService } from '../../src/execution/control.service.js';
import { ExecuteController } from '../../src/execution/execute.controller.js';
import { ExecutionService } from '../../src/execution/execution.service.js';
import { RunController } from '../../src/execution/run.controller.js';
import { type CancelledRun, type StartedRun, type StartRun } from '../../src/execution/start-run.js';
import { createHttpApp } from '../../src/http-app.js';
import { type ExecutionRecord } from '../../src/storage/execution-record.js';

export const RECORD: ExecutionRecord = {
  id: '415923710348034048',
  tenantId: 'default',
  catalogId: '415923700000000000',
  path: 'billing/close_month',
  playbookName: 'close_month',
  version: '1.2.0',
  shownVersion: 'v1.2.0',
  requestedVersion: 'v1.2.0',
  executionType: 'playbook',
  digest: 'ab'.repeat(32),
  merge: false,
  metadata: null,
  parentExecutionId: null,
  parentEventId: null,
  parentStep: null,
  forkedFrom: null,
  priority: 0,
  startAt: null,
  expiresAt: null,
  timeoutAt: null,
  status: 'running',
  progress: 0,
  currentStep: null,
  waitingFor: null,
  error: null,
  createdAt: Date.UTC(2025, 9, 11, 10, 30),
  updatedAt: Date.UTC(2025, 9, 11, 10, 30),
  endedAt: null,
  cancelRequestedAt: null,
  pauseRequestedAt: null,
  lastSeq: 0,
};

/** Stands in for everything behind the door: remembers the command and answers what the test wants. */
export class RecordingExecutions implements Pick<ExecutionService, 'start'>, Pick<ControlService, 'cancel'> {
  readonly started: StartRun[] = [];
  answer: (command: StartRun) => Partial<StartedRun> | Promise<Partial<StartedRun>> = () => ({});
  alreadyCancelled = false;

  async start(command: StartRun): Promise<StartedRun> {
    this.started.push(command);
    return {
      execution: RECORD,
      result: null,
      ended: false,
      durable: true,
      replayed: false,
      warnings: [],
      waitApplied: null,
      ...(await this.answer(command)),
    };
  }

  cancel(_principal: Principal, id: string): Promise<CancelledRun> {
    return Promise.resolve({
      execution: { ...RECORD, id },
      cancelled: this.alreadyCancelled ? [] : [id],
      message: 'Cancelling.',
      alreadySo: this.alreadyCancelled,
    });
  }
}

export interface DoorApp {
  readonly app: NestFastifyApplication;
  readonly executions: RecordingExecutions;
}

/** The real HTTP application with nothing behind it. `env` sets limits as the environment would. */
export async function startDoor(env: Readonly<Record<string, string>> = {}, logger: Logger = pino({ level: 'silent' })): Promise<DoorApp> {
  const executions = new RecordingExecutions();
  @Module({
    controllers: [RunController, ExecuteController, ControlController],
    providers: [
      { provide: ExecutionService, useValue: executions },
      { provide: ControlService, useValue: executions },
    ],
  })
  class DoorOnlyModule {}
  const app = await createHttpApp(DoorOnlyModule, { limits: readRequestLimits(new Environment(env)) }, logger);
  return { app, executions };
}
