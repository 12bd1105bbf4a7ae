import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

/** How late the event loop is, in milliseconds, since the last reading. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const NANOSECONDS = 1e6;

/** Measures unbounded synchronous work anywhere in the process: nothing may hold the loop above 50 ms. */
@Injectable()
export class EventLoopMonitor implements OnApplicationShutdown {
  private readonly histogram = monitorEventLoopDelay({ resolution: 10 });

  constructor() {
    this.histogram.enable();
  }

  read(): EventLoopDelay {
    const { histogram } = this;
    const delay = {
      p50Ms: histogram.percentile(50) / NANOSECONDS,
      p99Ms: histogram.percentile(99) / NANOSECONDS,
      maxMs: histogram.max / NANOSECONDS,
    };
    histogram.reset();
    return delay;
  }

  onApplicationShutdown(): void {
    this.histogram.disable();
  }
}
