import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
export const PROBES = fileURLToPath(new URL('./probes.mjs', import.meta.url));

/**
 * Where the copy of the built program can be told to exit or stall, and what it tells the effect server. Only the copy has them: the product has
 * no switch. Each is a replacement of exact text, which fails loudly where the text is no longer found once.
 */
const POINTS = [
  {
    file: 'storage/batch/writer-lane.js',
    find: 'const answer = await this.connection.write(parameters);',
    put: "globalThis.chaosPoint?.('before_commit');\n const answer = await this.connection.write(parameters);\n globalThis.chaosPoint?.('after_commit');",
  },
  {
    file: 'storage/claiming/start-answers.js',
    find: 'return waiter.resolve(outcome.at);',
    put: "globalThis.chaosPoint?.('before_ack');\n return waiter.resolve(outcome.at);",
  },
  {
    file: 'storage/claiming/lease-renewal.js',
    find: 'const rows = await this.ask(this.statement,',
    put: "globalThis.chaosPoint?.('heartbeat');\n const rows = await this.ask(this.statement,",
  },
  {
    file: 'engine/orchestrator.js',
    find: 'this.performing().perform(perform);',
    put: "globalThis.chaosPoint?.('before_effect');\n this.performing().perform(perform);",
  },
  {
    file: 'steps/http/http.step.js',
    find: 'const isLarge = response.body.length > LARGE_BODY_BYTES;',
    put: "globalThis.chaosPoint?.('after_effect');\n const isLarge = response.body.length > LARGE_BODY_BYTES;",
  },
  {
    file: 'steps/http/http.step.js',
    find: 'const headers = sentHeaders(withAuth(request.headers, context.auth), contentType, context);',
    put: "const headers = { ...sentHeaders(withAuth(request.headers, context.auth), contentType, context), 'X-Chaos-Claim': String(context.claimNo), 'X-Chaos-Attempt': String(context.attempt), 'X-Chaos-Node': String(globalThis.chaosNode) };",
  },
  // A lease token ends in five digits that say which process has it (holder.mjs), so that the checker knows what a process leaves behind.
  {
    file: 'storage/claiming/claim.js',
    find: 'orderedBy) => `\n  UPDATE execution e SET lease_token = gen_random_uuid(),',
    put: 'orderedBy) => `\n  UPDATE execution e SET lease_token = ${globalThis.chaosTokenSql},',
  },
  {
    file: 'storage/claiming/claim.js',
    find: 'FOR NO KEY UPDATE SKIP LOCKED)\n  UPDATE execution e SET lease_token = gen_random_uuid(),',
    put: 'FOR NO KEY UPDATE SKIP LOCKED)\n  UPDATE execution e SET lease_token = ${globalThis.chaosTokenSql},',
  },
  {
    file: 'storage/timing.js',
    find: 'token: randomUUID,',
    put: 'token: () => randomUUID().slice(0, -5) + globalThis.chaosHolder,',
  },
];

export const POINT_NAMES = ['before_commit', 'after_commit', 'before_ack', 'heartbeat', 'before_effect', 'after_effect'];

/** Copies the built program into `folder`, with the points in it, and whatever else `changes` asks for. @returns the folder to start it from */
export function copyProgram(folder, changes = []) {
  const built = join(REPOSITORY, 'dist');
  if (!existsSync(join(built, 'src', 'main.js'))) throw new Error('There is no built program: npm run build.');
  mkdirSync(folder, { recursive: true });
  cpSync(built, join(folder, 'dist'), { recursive: true });
  cpSync(join(REPOSITORY, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
  for (const change of [...POINTS, ...changes]) replaceOnce(join(folder, 'dist', 'src', change.file), change);
  return folder;
}

function replaceOnce(path, { find, put }) {
  const text = readFileSync(path, 'utf8');
  const found = text.split(find).length - 1;
  if (found !== 1) throw new Error(`${path} has ${found} times, not once:\n${find}\nThe checker's text must follow the product's.`);
  writeFileSync(
    path,
    text.replace(find, () => put),
  );
}
