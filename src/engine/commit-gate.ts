import { type Perform } from './run/decision.js';
import { type RunState } from './run/run-state.js';

const NONE: readonly Perform[] = [];

/** What goes on only once all that was decided before it is committed: attempts that are to begin (D20), and programs. In the order of their `seq`. */
export class CommitGate {
  private readonly attempts: { readonly seq: number; readonly perform: Perform }[] = [];
  private readonly programs: { readonly seq: number; readonly goOn: () => void }[] = [];

  /** @param seq of the last event that has to be committed before */
  hold(seq: number, perform: Perform): void {
    this.attempts.push({ seq, perform });
  }

  /** Resolves once the gate was opened for `seq`. */
  passed(seq: number): Promise<void> {
    return new Promise((goOn) => this.programs.push({ seq, goOn }));
  }

  /** Lets everything through that waits for commits up to `seq`. */
  open(seq: number, begin: (perform: Perform) => void): void {
    const { attempts, programs } = this;
    while (attempts.length > 0 && attempts[0]!.seq <= seq) begin(attempts.shift()!.perform);
    while (programs.length > 0 && programs[0]!.seq <= seq) programs.shift()!.goOn();
  }

  /** Forgets attempts whose firing is gone. @returns those that are never to begin, as the run is ending, and whose firing has to be told so */
  dropStale(state: RunState): readonly Perform[] {
    if (this.attempts.length === 0) return NONE;
    const refused: Perform[] = [];
    for (let at = this.attempts.length - 1; at >= 0; at--) {
      const { perform } = this.attempts[at]!;
      const firing = state.running.get(perform.step);
      const isGone = firing?.wave !== perform.wave;
      if (!isGone && (firing.undoes || !(state.cancel || (state.failure && !perform.mayHaveActed)))) continue;
      this.attempts.splice(at, 1);
      if (!isGone) refused.push(perform);
    }
    return refused;
  }

  /** No attempt that waits begins any more. */
  dropAttempts(): void {
    this.attempts.length = 0;
  }
}
