import { type Scenario } from './scenario.js';
import { type SimulationResult } from './world.js';

/** What somebody needs who looks at a failing seed: the first violation and what led to it. */
export function describeFailure(seed: number, { history }: SimulationResult): string {
  const [first] = history.violations;
  if (!first) return `seed ${seed} holds`;
  const about = first.runId === null ? '' : ` of execution ${first.runId}`;
  return [`seed ${seed} breaks ${first.rule}${about} at ${first.at.toFixed(1)} ms: ${first.message}`, ...history.slice(first)].join('\n');
}

/** The scenario as an entry of regressions.spec.ts. */
export function asRegression(scenario: Scenario, rule: string): string {
  return `  {\n    name: '${rule}: say what it is about',\n    scenario: ${JSON.stringify(scenario)},\n  },`;
}
