// Whether every text that the fault points and the seeded bugs replace is still in the built program: seconds, where the teeth take minutes.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { copyProgram } from '../world/program.mjs';
import { newFolder } from '../world/world.mjs';
import { BUGS } from './bugs.mjs';

const folder = newFolder();
let missing = 0;
for (const [name, { changes }] of Object.entries(BUGS)) {
  try {
    copyProgram(join(folder, name), changes);
  } catch (error) {
    missing += 1;
    console.error(`${name}: ${error.message}`);
  }
}
rmSync(folder, { recursive: true, force: true });
process.exit(missing === 0 ? 0 : 1);
