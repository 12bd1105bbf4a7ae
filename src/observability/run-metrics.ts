import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BatchWriter } from '../storage/batch/batch-writer.js';
import { ByteBudget } from '../storage/byte-budget.js';
import { EphemeralRuns } from '../storage/ephemeral-runs.js';
import { HeldRuns } from '../storage/claiming/held-runs.js';
import { LeaseRenewal } from '../storage/claiming/lease-renewal.js';
import { RunQueue } from '../storage/claiming/run-queue.js';
import { RunWaits } from '../storage/run-waits.js';
import { Worker } from '../worker/worker.service.js';

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const UNIT_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** What this node does with executions. All but the two histograms are read when asked for. */
@Injectable()
export class RunMetrics {
  constructor(
    private readonly registry: Registry,
    worker: Worker,
    held: HeldRuns,
    ephemeral: EphemeralRuns,
    waits: RunWaits,
    writer: BatchWriter,
    leases: LeaseRenewal,
    queue: RunQueue,
    budget: ByteBudget,
  ) {
    this.gauge('runs_held', 'Executions whose lease this node holds.', () => held.size);
    this.gauge('runs_in_memory', 'Executions that this node drives now.', () => worker.runs);
    this.gauge('runs_without_rows', 'Executions of sync_to_postgres: false that have not ended.', () => ephemeral.open);
    this.gauge('large_values_held_bytes', 'Bytes of large values in memory, each counted once.', () => budget.heldBytes);
    this.gauge('large_values_waiting_bytes', 'Bytes of large values that wait for room in memory.', () => budget.waitingBytes);
    this.gauge('waiting_requests', 'Requests that wait for an end.', () => waits.size);
    this.gauge('writer_latency_seconds', 'How long a commit takes now; 0 where nothing is written.', () => writer.latencyMs() / 1000);
    this.counter('batches_total', 'Batches sent to the database.', () => writer.counts.batches);
    this.counter('commits_total', 'Batches that the database has committed.', () => writer.counts.commits);
    this.counter('units_total', 'Units of executions that were committed.', () => writer.counts.units);
    this.counter('lease_renewals_total', 'Leases renewed besides those that a unit renewed.', () => leases.renewals);
    this.counter('claims_total', 'Executions without a holder that this node claimed.', () => queue.counts.claimed);
    this.counter('takeovers_total', 'Executions whose lease had expired under another holder.', () => queue.counts.takenOver);
    this.counter('expired_total', 'Executions that nothing began in time.', () => queue.counts.tooLate);
    const units = this.histogram('batch_units', 'Units of a committed batch.', UNIT_BUCKETS);
    const seconds = this.histogram('batch_seconds', 'From sending a batch to its commit.', LATENCY_BUCKETS);
    writer.onBatch((size, ms) => {
      units.observe(size);
      seconds.observe(ms / 1000);
    });
  }

  private gauge(name: string, help: string, value: () => number): void {
    this.registry.registerMetric(
      new Gauge({
        name: `showrunner_${name}`,
        help,
        registers: [],
        collect() {
          this.set(value());
        },
      }),
    );
  }

  private counter(name: string, help: string, value: () => number): void {
    this.registry.registerMetric(
      new Counter({
        name: `showrunner_${name}`,
        help,
        registers: [],
        collect() {
          this.reset();
          this.inc(value());
        },
      }),
    );
  }

  private histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name: `showrunner_${name}`, help, buckets, registers: [this.registry] });
  }
}
