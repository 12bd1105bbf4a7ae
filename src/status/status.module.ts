import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { StatusController } from './status.controller.js';
import { ShownTexts } from './shown-texts.js';
import { StatusService } from './status.service.js';

/** The read side of executions. */
@Module({ controllers: [StatusController, EventsController], providers: [ShownTexts, StatusService], exports: [StatusService] })
export class StatusModule {}
