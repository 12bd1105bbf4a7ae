import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { addUp, explain } from '../chaos/report.mjs';
import { round } from '../chaos/round.mjs';
import { World } from '../chaos/world/world.mjs';

const DISK_MIB = 384;
const ROUND_SECONDS = 90;
const LEASE_MS = 3_000;
const CLIENTS = 16;
const MIB = 1024 * 1024;

/**
 * The database on a disk of its own that becomes full, again and again, and a machine whose processors and disk others want as well: nothing
 * acknowledged is lost, nothing is acknowledged that was not stored, and all goes on once there is room (R1).
 */
export async function run({ minutes, random, folder, say, verdict }) {
  const disk = join(folder, 'database');
  const unmount = mountDisk(disk, folder, say);
  if (unmount === null) return verdict.needs(false, 'no small disk can be made here (it takes root, or a mount of a tmpfs or loop device)');
  try {
    // So that the log's own segments fit in beside everything else.
    const settings = { max_wal_size: '64MB', min_wal_size: '32MB', checkpoint_timeout: '30s' };
    const world = await World.build({ folder, nodes: 2, leaseMs: LEASE_MS, random, short: true, settings });
    try {
      await rounds({ world, disk, minutes, random, say, verdict });
    } finally {
      rmSync(join(disk, 'ballast'), { force: true });
      await world.close();
    }
  } finally {
    unmount();
  }
}

async function rounds({ world, disk, minutes, random, say, verdict }) {
  const totals = {};
  const full = { windows: 0, refusals: 0, panics: 0, backAfterMs: [] };
  let violations = [];
  for (let left = minutes * 60, number = 1; left > 0 && violations.length === 0; left -= ROUND_SECONDS, number++) {
    const label = `d${number}`;
    const nemesis = new FullDisk(world, disk, random.stream(label), full);
    const seconds = Math.min(left, ROUND_SECONDS);
    const { facts, counts } = await round({ world, label, seconds, clients: CLIENTS, random: random.stream(label), nemesis, say });
    addUp(totals, counts);
    say(`${label}: ${JSON.stringify(counts)}`);
    say(`${label}: ${JSON.stringify(facts.notes)}`);
    violations = facts.violations;
    if (violations.length > 0) say(`the first violation is explained in ${await explain(world, facts)}`);
  }
  verdict.figure('counts', totals);
  verdict.figure('memory of the nodes at most, MiB', Math.max(...world.nodes.map(({ peakRss }) => peakRss)));
  verdict.figure('times the disk was full', full.windows);
  verdict.figure('of these with "no space" seen by a node', full.refusals);
  verdict.figure('of these in which the server ended its sessions or was away', full.panics);
  verdict.figure('milliseconds from room on the disk to all nodes ready, each time', full.backAfterMs);
  verdict.bound(
    'no violation: nothing lost, no false success, everything ends',
    violations.length === 0,
    violations.slice(0, 8).map(({ check, execution, message }) => `(${check}) ${execution}: ${message}`),
  );
  verdict.needs(full.refusals > 0, 'no node ever saw a full disk');
  verdict.needs(totals.acknowledged >= 200 * minutes, `only ${totals.acknowledged} acknowledged executions`);
}

/** A small file system at `disk`: in memory, else on a loop device. @returns what takes it away, null where none can be made */
function mountDisk(disk, folder, say) {
  mkdirSync(disk, { recursive: true });
  const done = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  const unmount = () => {
    if (!done('umount', disk)) done('umount', '-l', disk);
  };
  process.once('exit', unmount);
  if (done('mount', '-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', disk)) {
    say(`the database is on a tmpfs of ${DISK_MIB} MiB`);
    return unmount;
  }
  const image = join(folder, 'program-disk.img');
  if (done('truncate', '-s', `${DISK_MIB}M`, image) && done('mkfs.ext4', '-q', '-F', image) && done('mount', '-o', 'loop', image, disk)) {
    say(`the database is on ext4 on a loop device of ${DISK_MIB} MiB`);
    return unmount;
  }
  return null;
}

/** Fills the disk and makes room again, and in between wants processors and disk for others. */
class FullDisk {
  windows = [];
  #stopped = false;
  #loop = null;
  #hogs = new Set();

  constructor(world, disk, random, full) {
    Object.assign(this, { world, ballast: join(disk, 'ballast'), random, full });
  }

  start() {
    this.#loop = this.#run();
  }

  async stop() {
    this.#stopped = true;
    await this.#loop;
    rmSync(this.ballast, { force: true });
    for (const hog of this.#hogs) hog.kill('SIGKILL');
    await this.world.database.available();
    await Promise.all(this.world.nodes.map((node) => node.ready()));
  }

  async #run() {
    let deck = [];
    while (!this.#stopped) {
      await this.#pause(this.random.int(2_000, 5_000));
      if (this.#stopped) return;
      if (deck.length === 0) deck = this.random.shuffled(['full', 'full', 'narrow', 'narrow', 'processors', 'writers']);
      const name = deck.pop();
      const window = { name, wall: Date.now(), until: Infinity, hit: this.world.load.inFlight.some((n) => n > 0) };
      this.windows.push(window);
      await this.world.history.write({ phase: 'invoke', op: 'fault', name });
      if (name === 'full') await this.#fill(0, this.random.int(4_000, 15_000), window);
      // What is left the load itself uses up.
      else if (name === 'narrow') await this.#fill(this.random.int(1, 6) * MIB, this.random.int(8_000, 20_000), window);
      else await this.#hog(name, this.random.int(5_000, 10_000));
      window.until = Date.now();
      await this.world.history.write({ phase: 'ok', op: 'fault', name });
    }
  }

  async #pause(ms) {
    for (const until = performance.now() + ms; performance.now() < until && !this.#stopped;) await sleep(200);
  }

  async #fill(leave, ms, window) {
    const before = this.#logged();
    this.#writeBallast(leave);
    await this.#pause(ms);
    rmSync(this.ballast, { force: true });
    const since = performance.now();
    await this.world.database.available();
    await Promise.all(this.world.nodes.map((node) => node.ready()));
    this.full.windows += 1;
    this.full.backAfterMs.push(Math.round(performance.now() - since));
    const after = this.#logged();
    window.refusals = after.noSpace - before.noSpace;
    window.ended = after.ended - before.ended;
    if (window.refusals > 0) this.full.refusals += 1;
    if (window.ended > 0) this.full.panics += 1;
  }

  /** Everything but `leave` bytes. */
  #writeBallast(leave) {
    const file = openSync(this.ballast, 'w');
    let size = 0;
    for (let chunk = Buffer.alloc(MIB); chunk.length >= 4_096;) {
      try {
        size += writeSync(file, chunk);
      } catch (error) {
        if (error.code !== 'ENOSPC') throw error;
        chunk = chunk.subarray(0, chunk.length / 4);
      }
    }
    closeSync(file);
    if (leave > 0) spawnSync('truncate', ['-s', String(Math.max(0, size - leave)), this.ballast]);
  }

  /** What the nodes have written of full disks, and of a server that ended its sessions. */
  #logged() {
    const texts = this.world.nodes.map(({ log }) => (existsSync(log) ? readFileSync(log, 'utf8') : ''));
    const count = (pattern) => texts.reduce((sum, text) => sum + (text.match(pattern)?.length ?? 0), 0);
    return {
      noSpace: count(/No space left on device/g),
      ended: count(/crash of another server process|in recovery mode|is starting up|ECONNREFUSED/g),
    };
  }

  async #hog(name, ms) {
    const writer = join(this.world.folder, 'hog-');
    const program =
      name === 'processors'
        ? `for (;;);`
        : `const fs = require('node:fs'); const file = fs.openSync(process.argv[1] + process.pid, 'w'); const block = Buffer.alloc(4 << 20, 1);
           for (let i = 0; ; i++) { fs.writeSync(file, block, 0, block.length, (i % 16) * block.length); fs.fsyncSync(file); }`;
    const hogs = Array.from({ length: 2 * availableParallelism() }, () => {
      // It ends by itself where nobody ends it.
      const child = spawn('timeout', ['60', process.execPath, '-e', program, writer], { stdio: 'ignore' });
      this.#hogs.add(child);
      return child;
    });
    await this.#pause(ms);
    for (const hog of hogs) {
      hog.kill('SIGTERM');
      this.#hogs.delete(hog);
    }
    for (const left of readdirSync(this.world.folder)) if (left.startsWith('hog-')) rmSync(join(this.world.folder, left), { force: true });
  }
}
