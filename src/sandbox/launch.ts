/** How to start one worker process. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** User and group to become; null: those of the service. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** True: each process gets a folder of its own as working directory and HOME, removed with it. False: the launcher makes one. */
  readonly ownFolder: boolean;
}

/** Bounds of one worker process and of what it returns. */
export interface ProcessLimits {
  /** Address space of each process. */
  readonly memoryBytes: number;
  /** Largest file that can be written. */
  readonly fileBytes: number;
  /** Processes and threads of the user, where the user is not the service's own. */
  readonly processes: number;
  /** CPU time of one call. */
  readonly cpuSeconds: number;
  /** JSON text of one value. */
  readonly resultBytes: number;
  /** Captured prints of one call. */
  readonly logBytes: number;
}

const MEBIBYTE = 1_048_576;

/** What one process may keep in its `/tmp` under bubblewrap, which is memory that no other bound counts: as much as one file may have. */
export const TEMPORARY_BYTES = 256 * MEBIBYTE;

export const PROCESS_LIMITS: ProcessLimits = {
  memoryBytes: 1024 * MEBIBYTE,
  fileBytes: TEMPORARY_BYTES,
  processes: 512,
  cpuSeconds: 3600,
  resultBytes: 16 * MEBIBYTE,
  logBytes: 64 * 1024,
};

/** `nobody` of every common Linux system. */
export const NOBODY = { uid: 65534, gid: 65534 } as const;

/** All that step code sees as its environment. */
export function bareEnvironment(home: string): Record<string, string> {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, TMPDIR: home, LANG: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1' };
}
