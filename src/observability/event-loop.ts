import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

/** How late the event loop is, in milliseconds, since the last reading. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const RESOLUTION_MS = 10;
const NANOSECONDS = 1e6;

/** What is measured is the time between two samples, which is never shorter than the resolution by much. */
const latenessMs = (nanoseconds: number): number => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS);

/** Measures unbounded synchronous work anywhere in the process: nothing may hold the loop above 50 ms. */
@Injectable()
export class EventLoopMonitor implements OnApplicationShutdown {
  private readonly histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.histogram.enable();
  }

  read(): EventLoopDelay {
    const { histogram } = this;
    // Without a sample it would answer its bounds.
    const isEmpty = histogram.count === 0;
    const delay = isEmpty
      ? { p50Ms: 0, p99Ms: 0, maxMs: 0 }
      : {
          p50Ms: latenessMs(histogram.percentile(50)),
          p99Ms: latenessMs(histogram.percentile(99)),
          maxMs: latenessMs(histogram.max),
        };
    histogram.reset();
    return delay;
  }

  onApplicationShutdown(): void {
    this.histogram.disable();
  }
}
