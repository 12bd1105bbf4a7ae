import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/**
 * A bound on the memory of a node and of whatever it starts: a control group where this machine lets us make one, where the kernel kills what goes
 * beyond it. A limit of the address space does not do: V8 and WebAssembly reserve far more than they use.
 */
export class MemoryLimit {
  #group;

  constructor(group, version) {
    this.#group = group;
    this.version = version;
  }

  /** Null where the machine does not let us. */
  static of(bytes) {
    try {
      if (existsSync(join(V1, 'memory.limit_in_bytes'))) return make(V1, 1, 'memory.limit_in_bytes', bytes);
      if (existsSync(join(V2, 'cgroup.controllers'))) return make(V2, 2, 'memory.max', bytes);
    } catch {
      // No right to make one, or no memory controller for it.
    }
    return null;
  }

  /** What a command begins with that is to run inside. */
  get command() {
    return ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.#group, 'cgroup.procs')];
  }

  /** The most that was ever used, in MiB, files in the page cache included; null where the kernel does not say. */
  get peakMiB() {
    const file = join(this.#group, this.version === 1 ? 'memory.max_usage_in_bytes' : 'memory.peak');
    return existsSync(file) ? Math.round(Number(readFileSync(file, 'utf8')) / 1_048_576) : null;
  }

  /** How often the kernel has killed something for it. */
  get kills() {
    const text = readFileSync(join(this.#group, this.version === 1 ? 'memory.oom_control' : 'memory.events'), 'utf8');
    return Number(/oom_kill (\d+)/.exec(text)?.[1] ?? 0);
  }

  /** Once nothing runs inside any more. */
  remove() {
    rmdirSync(this.#group);
  }
}

function make(root, version, limit, bytes) {
  const group = join(root, `showrunner-trial-${process.pid}`);
  mkdirSync(group);
  try {
    writeFileSync(join(group, limit), String(bytes));
    accessSync(join(group, 'cgroup.procs'), constants.W_OK);
    return new MemoryLimit(group, version);
  } catch (error) {
    rmdirSync(group);
    throw error;
  }
}
