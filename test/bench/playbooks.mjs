/** The measured workloads: what is registered, and how an execution is started. Pure steps only, unless the name says otherwise. */
const names = (count) => Array.from({ length: count }, (_, n) => `branch_${n}`);
const router = (name, next) =>
  `  - step: ${name}\n    next:\n      - step: ${next}\n        data:\n          message: "{{ workload.message }}"\n`;
const playbook = (name, steps) => `apiVersion: noetl.io/v1
kind: Playbook
metadata:
  name: ${name}
  path: bench/${name}
workload:
  message: Hello World
workflow:
${steps}  - step: end
`;

/** An http step: its start is committed before the call, its value before the next one begins. */
const effect = (name, next) =>
  `  - step: ${name}\n    type: http\n    method: POST\n    endpoint: "{{ workload.effects }}"\n    data: { message: "{{ workload.message }}" }\n    next: ${next}\n`;
const fanOut = (step) =>
  `  - step: start\n    next: [${names(10).join(', ')}]\n${names(10)
    .map((name) => step(name, 'join'))
    .join('')}${router('join', 'end')}`;

/** @param effects address that effect steps call */
export const playbooks = (effects) => ({
  ...PURE,
  W1e: withEffects('hello_effects', effect('start', 'second') + effect('second', 'end'), effects),
  W2e: withEffects('three_effects', effect('start', 'second') + effect('second', 'third') + effect('third', 'end'), effects),
  W4: overItems('thousand_items', '{ type: save, storage: event_log, data: { n: "{{ n }}" } }'),
  W4e: withEffectsIn(
    overItems('thousand_effects', '{ type: http, method: POST, endpoint: "{{ workload.effects }}", data: { n: "{{ n }}" } }'),
    effects,
  ),
  W4p: overItems('thousand_python', '{ type: python, code: "def main(n):\\n    return n" }'),
  W5: overItems('ten_children', '{ type: playbook, path: bench/hello }').replace('range(1000)', 'range(10)'),
  W3e: withEffects('fan_out_effects', fanOut(effect), effects),
});
/** A task over 1,000 items; parents that call ten playbooks. */
const overItems = (name, task) =>
  playbook(
    name,
    `  - step: start\n    type: iterator\n    collection: "{{ range(1000) | list }}"\n    element: n\n    mode: async\n    concurrency: 32\n    task: ${task}\n    next: end\n`,
  );
const withEffectsIn = (document, effects) => document.replace('workload:\n', `workload:\n  effects: ${effects}\n`);
const withEffects = (name, steps, effects) => withEffectsIn(playbook(name, steps), effects);

const PURE = {
  W1: playbook('hello', router('start', 'end')),
  W2: playbook('three_steps', router('start', 'second') + router('second', 'third') + router('third', 'end')),
  W3: playbook('fan_out', fanOut(router)),
  waits: playbook('waits', `  - step: start\n    type: wait\n    duration: "{{ workload.seconds }}"\n    next: end\n`),
  python: playbook(
    'hello_python',
    `${router('start', 'greet')}  - step: greet
    type: python
    code: |
      def main(message):
          return {"status": "success", "data": {"message": message}}
    next: end
`,
  ),
};

/** name -> { playbook, mode }: `wait` sends Prefer: wait, `poll` fires and polls the status. */
export const WORKLOADS = {
  W1: { playbook: 'W1', mode: 'wait' },
  'W1-poll': { playbook: 'W1', mode: 'poll' },
  W2: { playbook: 'W2', mode: 'wait' },
  W3: { playbook: 'W3', mode: 'wait' },
  'W1-effects': { playbook: 'W1e', mode: 'wait' },
  'W2-effects': { playbook: 'W2e', mode: 'wait' },
  'W3-effects': { playbook: 'W3e', mode: 'wait' },
  W4: { playbook: 'W4', mode: 'wait' },
  'W4-effects': { playbook: 'W4e', mode: 'wait' },
  'W4-python': { playbook: 'W4p', mode: 'wait' },
  W5: { playbook: 'W5', mode: 'wait' },
  'W2-poll': { playbook: 'W2', mode: 'poll' },
  'hello-python': { playbook: 'python', mode: 'wait' },
};
