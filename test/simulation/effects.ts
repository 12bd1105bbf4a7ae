import { type StepContext, type StepResult } from '../../src/engine/step-executor.js';
import { failed, type Plan } from './step-kinds.js';
import { type SimulatedNode } from './simulated-node.js';
import { type World } from './world.js';

/** One call that the world saw. */
export interface EffectCall {
  readonly at: number;
  readonly node: string;
  readonly executionId: string;
  readonly step: string;
  readonly wave: number;
  /** Path of the part below its step; empty: the step's own action. */
  readonly part: string;
  readonly attempt: number;
  readonly claimNo: number;
  readonly idempotencyKey: string;
}

/** Performs the attempts of simulated steps, and remembers every one that the world can see. */
export class Effects {
  readonly calls: EffectCall[] = [];

  constructor(private readonly world: World) {}

  perform(plan: Plan, context: StepContext, effect: boolean): Promise<StepResult> {
    const { scheduler, history } = this.world;
    const node = this.world.currentNode();
    const { executionId, step, wave, attempt, claimNo, idempotencyKey, signal } = context;
    const { part = '' } = plan;
    if (effect) {
      const call = { at: scheduler.now, node: node.process.name, executionId, step, wave, part, attempt, claimNo, idempotencyKey };
      this.calls.push(call);
      history.note(executionId, node.process.name, `effect ${step}#${wave}${part && `/${part}`} attempt ${attempt} claim ${claimNo}`);
      this.world.checks.effectBegins(call, node);
    }
    return new Promise((resolve, reject) => {
      const { process } = node;
      const end = scheduler.after(plan.ms, process, () => {
        if (plan.kills) return node.crash('a step kills it');
        if (attempt > plan.fails && !plan.failing?.includes(part))
          resolve({ value: part === '' ? { round: wave } : { round: wave, part } });
        else if (!plan.hangs) reject(failed(attempt));
      });
      signal.addEventListener(
        'abort',
        () => {
          if (plan.obeys === false) return;
          end.cancelled = true;
          scheduler.after(this.abortMs(node), process, () => reject(signal.reason as Error));
        },
        { once: true },
      );
    });
  }

  private abortMs(node: SimulatedNode): number {
    return node.random.next() * 20;
  }
}
