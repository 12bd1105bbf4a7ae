// What the operating system says of processes: CPU seconds and memory, from /proc (Linux only).
import { readdirSync, readFileSync } from 'node:fs';

const TICKS = 100;

function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    parent: Number(fields[1]),
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS,
    waited: (Number(fields[13]) + Number(fields[14])) / TICKS,
  };
}

/** A process and all its descendants. */
export function family(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), stat(name).parent);
    } catch {
      // ended between the two reads
    }
  }
  const members = new Set([root]);
  for (let before = 0; before !== members.size;) {
    before = members.size;
    for (const [pid, parent] of parents) if (members.has(parent)) members.add(pid);
  }
  return [...members];
}

/** CPU seconds used so far by these processes, children they waited for included. */
export function cpuSeconds(pids) {
  let sum = 0;
  for (const pid of pids) {
    try {
      const { cpu, waited } = stat(pid);
      sum += cpu + waited;
    } catch {
      // gone: its parent's `waited` has it
    }
  }
  return sum;
}

/** Resident memory of one process, MiB. */
export function residentMiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}
