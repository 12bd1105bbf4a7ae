/** A playbook that only routes: the smallest work there is. */
export function routingPlaybook(path: string, extra = ''): string {
  return `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
${extra}workflow:
  - step: start
    next: [{ step: end, data: { n: "{{ workload.n | default(0) }}" } }]
  - step: end
`;
}

/** A playbook of python steps, one after the other; `steps` maps their names to the lines of `main`. */
export function pythonPlaybook(path: string, steps: Readonly<Record<string, readonly string[]>>): string {
  const names = Object.keys(steps);
  const texts = Object.entries(steps).map(([name, lines], index) => {
    const code = ['def main(workload=None):', ...lines.map((line) => `  ${line}`)].map((line) => `        ${line}`).join('\n');
    return `  - step: ${name}\n    type: python\n    code: |\n${code}\n    next: [${names[index + 1] ?? 'end'}]\n`;
  });
  return `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
workflow:
  - step: start
    next: [${names[0]}]
${texts.join('')}  - step: end
`;
}
