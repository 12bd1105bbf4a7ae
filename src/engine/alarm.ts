import { type Clock } from './ports.js';

const nothing = (): void => undefined;

/** One time at which something is to happen; setting it again moves it. */
export class Alarm {
  private at: number | null = null;
  private cancel = nothing;

  constructor(
    private readonly clock: Clock,
    private readonly ring: () => void,
  ) {}

  /** @param at epoch milliseconds; null = never. What is past rings soon, but never within this call. */
  set(at: number | null): void {
    if (at === this.at) return;
    this.cancel();
    this.at = at;
    this.cancel = at === null ? nothing : this.clock.after(Math.max(0, at - this.clock.now()), () => this.rung());
  }

  private rung(): void {
    this.at = null;
    this.cancel = nothing;
    this.ring();
  }
}
