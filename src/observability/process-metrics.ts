import { Counter, Gauge, type Registry } from 'prom-client';
import { type EventLoopMonitor } from './event-loop.js';

/** Memory and processor time of this process, and how late its event loop is. Read when asked for, so they cost nothing otherwise. */
export function measureProcess(registry: Registry, eventLoop: EventLoopMonitor): void {
  const registers = [registry];
  new Gauge({
    name: 'showrunner_event_loop_delay_seconds',
    help: 'How late the event loop was since these figures were asked for last: median, 99th percentile, worst.',
    labelNames: ['quantile'],
    registers,
    collect() {
      const { p50Ms, p99Ms, maxMs } = eventLoop.read();
      this.set({ quantile: '0.5' }, p50Ms / 1000);
      this.set({ quantile: '0.99' }, p99Ms / 1000);
      this.set({ quantile: '1' }, maxMs / 1000);
    },
  });
  new Gauge({
    name: 'showrunner_memory_bytes',
    help: 'Memory of the process.',
    labelNames: ['kind'],
    registers,
    collect() {
      const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
      const kinds = { resident: rss, heap_used: heapUsed, heap_total: heapTotal, external, array_buffers: arrayBuffers };
      for (const [kind, bytes] of Object.entries(kinds)) this.set({ kind }, bytes);
    },
  });
  new Counter({
    name: 'showrunner_cpu_seconds_total',
    help: 'Processor time of the process.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
