/** The measured workloads: what is registered, and how an execution is started. Pure steps only, unless the name says otherwise. */
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

export const PLAYBOOKS = {
  W1: playbook('hello', router('start', 'end')),
  W2: playbook('three_steps', router('start', 'second') + router('second', 'third') + router('third', 'end')),
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
  'W2-poll': { playbook: 'W2', mode: 'poll' },
  'hello-python': { playbook: 'python', mode: 'wait' },
};
