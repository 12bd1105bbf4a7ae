import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { BOUNDED_TMP, launchesOf } from './isolation.js';
import { bareEnvironment, TEMPORARY_BYTES } from './launch.js';

const MEBIBYTE = 1_048_576;

describe(launchesOf.name, () => {
  it('asks bubblewrap for a bound of /tmp, and closes what else is memory once everything is mounted', () => {
    const { args } = launchesOf('bubblewrap', { command: '/bin/sh', folders: ['/opt/x'] }, [], { writable: ['/data'], network: true })[0]!;
    const own = args.slice(0, args.indexOf('--'));
    expect(BOUNDED_TMP).toEqual(['--size', String(TEMPORARY_BYTES), '--tmpfs', '/tmp']);
    expect(own.join(' ')).toContain(BOUNDED_TMP.join(' '));
    expect(own.filter((option) => option === '--tmpfs')).toHaveLength(1);
    expect(own.slice(-4)).toEqual(['--remount-ro', '/dev', '--remount-ro', '/']);
  });
});

// Only where the operator installed bubblewrap: the suite says so by skipping.
(existsSync('/usr/bin/bwrap') ? describe : describe.skip)('what a program may write under bubblewrap', () => {
  const said = (script: string): string => {
    const { command, args } = launchesOf('bubblewrap', { command: '/bin/sh', folders: [] }, ['-c', script]).at(-1)!;
    return execFileSync(command, [...args], { encoding: 'utf8', env: bareEnvironment('/tmp') });
  };

  it('is what /tmp holds, over all files', () => {
    const half = TEMPORARY_BYTES / MEBIBYTE / 2 + 1;
    const fill = (file: string): string => `head -c ${half}M /dev/zero > /tmp/${file} 2> /dev/null && echo ${file} fits`;
    expect(said(`${fill('first')}; ${fill('second')}; rm /tmp/first /tmp/second; ${fill('third')}; true`)).toBe('first fits\nthird fits\n');
  });

  it('is nothing anywhere else, but devices', () => {
    const places = ['/', '/dev', '/dev/shm', '/usr', '/bin', '/proc'];
    expect(said(places.map((place) => `(echo x > ${place}/x) 2> /dev/null && echo ${place}; `).join('') + 'true')).toBe('');
    expect(said('echo x > /dev/null && head -c 1 /dev/urandom > /tmp/x && echo well')).toBe('well\n');
  });
});
