import { type CompiledStep } from '../playbook/compiled.js';
import { type Deciding } from './decision.js';
import { type Firing } from './run-state.js';
import { type Settling } from './settle.js';

/** The end of a firing that waited. */
export function settlingOf(deciding: Deciding, step: CompiledStep, firing: Firing): Settling {
  return {
    step,
    wave: firing.wave,
    attempt: firing.attempt,
    inputs: firing.inputs,
    arrivedError: firing.arrivedError,
    durationMs: Math.max(0, deciding.world.now() - firing.parkedSince!),
    rendering: deciding.rendering(),
    logs: undefined,
    started: true,
    passed: false,
  };
}
