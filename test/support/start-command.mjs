import { readFileSync } from 'node:fs';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const words = scripts.start.split(' ');

/** What `npm start` sets in the environment of the service: how the allocator of glibc behaves. */
export const startEnvironment = Object.fromEntries(words.filter((word) => /^[A-Z_]+=/.test(word)).map((word) => word.split('=')));

/** The options of Node that `npm start` gives, before the name of the program. */
export const startFlags = words.slice(words.indexOf('node') + 1, -1);
