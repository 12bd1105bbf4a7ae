import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { StatusController } from './status.controller.js';
import { StatusService } from './status.service.js';

/** The read side of executions. */
@Module({ controllers: [StatusController, EventsController], providers: [StatusService], exports: [StatusService] })
export class StatusModule {}
