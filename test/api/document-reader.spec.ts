import { DocumentReader } from '../../src/catalog/document-reader.js';
import { ReadingThreads, type ReadingThreadsOptions } from '../../src/catalog/reading-threads.js';
import { EngineError } from '../../src/engine/engine-error.js';
import { DOCUMENT_LIMITS, type DocumentLimits } from '../../src/engine/playbook/document-limits.js';
import { THREAD_PROGRAM } from '../support/threads/reading.js';

const HEAD = 'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata:\n  name: long\n  path: tests/long\n';
const STEPS = 'workflow:\n  - step: start\n    next: end\n  - step: end\n';
/** So long that a thread reads it. */
const LONG = `# ${'x'.repeat(20_000)}\n`;

let threads: ReadingThreads;
afterEach(() => threads.onApplicationShutdown());

function reader(options: Partial<ReadingThreadsOptions> = {}, limits: Partial<DocumentLimits> = {}): DocumentReader {
  threads = new ReadingThreads({ threads: 1, queue: 8, timeoutMs: 60_000, memoryMb: 256, program: THREAD_PROGRAM, ...options });
  return new DocumentReader(threads, new Map(), { ...DOCUMENT_LIMITS, ...limits });
}

async function codeOf(reading: Promise<unknown>): Promise<string> {
  const error = await reading.then(
    () => new Error('was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof EngineError) return `${error.kind}: ${error.code}`;
  throw error;
}

describe('a text read in a thread', () => {
  const broken = `${STEPS}    surprise: 1\n`;
  const unable = 'workflow:\n  - step: start\n    next: query\n  - step: query\n    type: postgres\n    next: end\n  - step: end\n';
  it.each([
    ['a playbook', `${HEAD}${STEPS}`, false],
    ['warnings of the reader', `${HEAD}${broken}`, false],
    ['warnings as errors', `${HEAD}${broken}`, true],
    ['warnings of the compiler', `${HEAD}${unable}`, false],
    ['warnings of the compiler as errors', `${HEAD}${unable}`, true],
    ['another kind', `${HEAD.replace('Playbook', 'Tool')}${STEPS}`, false],
    ['a version that is none', `${HEAD}  version: x.y\n${STEPS}`, false],
    ['broken syntax', `${HEAD}workflow: }\n`, false],
  ])('is what it is read at once: %s', async (_name, text, strict) => {
    const documents = reader();
    const [long, short] = [await documents.check(`${text}${LONG}`, strict), await documents.check(text, strict)];
    expect(plain(long)).toEqual(plain(short));
    expect(long.refusal instanceof EngineError).toBe(short.refusal !== null);
  });

  /** What matters of a checked document, without functions and stacks. */
  const plain = ({ document, errors, warnings, refusal }: Awaited<ReturnType<DocumentReader['check']>>): object => ({
    playbook: document?.playbook,
    steps: document?.compiled.steps.map(({ name }) => name),
    errors,
    warnings,
    refusal: refusal && [refusal.kind, refusal.code, refusal.message, refusal.issues],
  });
});

describe('the limits of a node', () => {
  const size = (text: string): number => Buffer.byteLength(text);

  it.each<[string, keyof DocumentLimits, number, string, string]>([
    ['bytes', 'bytes', size(`${HEAD}${STEPS}`), '', ' '],
    ['depth', 'depth', 3, 'workload: {a: [1]}\n', 'workload: {a: [[1]]}\n'],
    ['steps', 'steps', 2, '', '  - step: another\n'],
  ])('%s', async (_name, limit, value, within, beyond) => {
    const documents = reader({}, { [limit]: value });
    const build = (extra: string): string => (extra.startsWith('workload') ? `${HEAD}${extra}${STEPS}` : `${HEAD}${STEPS}${extra}`);
    expect((await documents.check(build(within), false)).errors).toEqual([]);
    expect((await documents.check(build(beyond), false)).errors).not.toEqual([]);
  });

  it('hold in threads too', async () => {
    const text = `${HEAD}${STEPS}`;
    const bytes = size(`${text}${LONG}`);
    const documents = reader({}, { bytes });
    expect((await documents.check(`${text}${LONG}`, false)).errors).toEqual([]);
    expect((await documents.check(`${text}${LONG} `, false)).refusal).toMatchObject({ kind: 'too_large', code: 'document_too_large' });
  });
});

describe('threads', () => {
  const text = `${HEAD}${STEPS}${LONG}`;

  it('end when they take too long, and others take their place', async () => {
    const documents = reader({ timeoutMs: 1 }); // less than any thread needs to begin
    expect(await codeOf(documents.check(text, false))).toBe('unreadable: document_too_complex');
    expect(await codeOf(documents.check(text, false))).toBe('unreadable: document_too_complex');
  });

  it('that run out of memory end alone', async () => {
    const documents = reader({ memoryMb: 16 });
    const many = `${HEAD}workload: [${'{a: 1},'.repeat(24_000)}]\n${STEPS}`;
    expect(await codeOf(documents.check(many, false))).toBe('unreadable: document_too_complex');
    expect((await documents.check(text, false)).errors).toEqual([]);
  });

  it('let texts wait, and refuse them where too many do', async () => {
    const documents = reader({ queue: 1 });
    const [first, second, third] = [documents.check(text, false), documents.check(text, false), documents.check(text, false)];
    expect(await codeOf(third)).toBe('unavailable: overloaded');
    expect([(await first).errors, (await second).errors]).toEqual([[], []]);
    expect((await documents.check(text, false)).errors).toEqual([]);
  });

  it('leave nobody waiting at the end', async () => {
    const documents = reader();
    const waiting = [documents.check(text, false), documents.check(text, false)].map(codeOf);
    await threads.onApplicationShutdown();
    expect(await Promise.all(waiting)).toEqual(['unreadable: document_too_complex', 'unavailable: draining']);
    expect(await codeOf(documents.check(text, false))).toBe('unavailable: draining');
  });
});
