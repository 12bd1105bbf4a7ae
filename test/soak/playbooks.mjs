import { playbooks as measured } from '../bench/playbooks.mjs';

const document = (name, workload, steps) => `apiVersion: noetl.io/v1
kind: Playbook
metadata:
  name: ${name}
  path: soak/${name}
workload: ${JSON.stringify(workload)}
workflow:
${steps}`;

/** What the load starts, by name: the measured workloads of the benchmark, and what only a long run is interested in. */
export function playbooks(effects) {
  const { W1, W2, W3, W1e, waits, python } = measured(effects);
  return {
    pure: W1,
    three: W2,
    fan_out: W3,
    effects: W1e,
    waits,
    python,
    signal: document(
      'signal',
      {},
      `  - step: start
    next: approval
  - step: approval
    type: wait_for
    name: go
    next: end
  - step: end
    result: { by: "{{ approval.by }}" }
`,
    ),
    /** Its result is as large as its parameter. */
    carry: document(
      'carry',
      { blob: '' },
      `  - step: start
    next: end
  - step: end
    result: { blob: "{{ workload.blob }}" }
`,
    ),
    failing: document(
      'failing',
      {},
      `  - step: start
    next: broken
  - step: broken
    data: { value: "{{ 1 // 0 }}" }
    next: end
  - step: end
`,
    ),
  };
}

/** The path that a document is registered at. */
export const pathOf = (content) => /path: (.*)/.exec(content)[1];
