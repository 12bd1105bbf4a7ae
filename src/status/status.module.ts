import { Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { EventsController } from './events.controller.js';
import { StatusController } from './status.controller.js';
import { ShownTexts } from './shown-texts.js';
import { StatusService } from './status.service.js';
import { StreamPlaces } from './stream-places.js';

const streamPlaces = {
  provide: StreamPlaces,
  inject: [Settings],
  useFactory: ({ limits }: Settings): StreamPlaces => new StreamPlaces(limits.streamsPerTenant),
};

/** The read side of executions. */
@Module({
  controllers: [StatusController, EventsController],
  providers: [ShownTexts, StatusService, streamPlaces],
  exports: [StatusService],
})
export class StatusModule {}
