import { existsSync } from 'node:fs';
import { type StdioLimits, type StdioMcpServer } from './mcp-server.js';

/** Has the kernel kill the process when this one dies, also where that ignores the end of its input. Of util-linux; other systems go without. */
const SETPRIV = '/usr/bin/setpriv';
/** Sets limits of the kernel before the program begins. Of util-linux, too. */
const PRLIMIT = '/usr/bin/prlimit';

/** Whether processes can be limited on this system. */
export const canLimit = (): boolean => existsSync(PRLIMIT);

/** What is started for a server: where there is `setpriv`, so that it dies with whoever starts it; within its limits, and without dumps of its memory. */
export function argvOf({ command, args, limits }: Pick<StdioMcpServer, 'command' | 'args' | 'limits'>): readonly string[] {
  const limited = canLimit() ? [PRLIMIT, '--core=0', ...optionsOf(limits), '--', command, ...args] : [command, ...args];
  return existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--', ...limited] : limited;
}

function optionsOf({ memoryBytes, cpuSeconds, fileBytes, openFiles }: StdioLimits): string[] {
  const options = { as: memoryBytes, cpu: cpuSeconds, fsize: fileBytes, nofile: openFiles };
  return Object.entries(options).flatMap(([name, limit]) => (limit === null ? [] : [`--${name}=${limit}`]));
}
