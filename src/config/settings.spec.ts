import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_AUTHORITY } from '../outbound/testing/test-authority.js';
import { SettingsError } from './settings-error.js';
import { loadSettings } from './settings.js';

describe(loadSettings.name, () => {
  it('needs nothing', () => {
    expect(loadSettings({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      databaseUrl: null,
      databaseDirectUrl: null,
      role: 'all',
      leaseSeconds: 15,
      databasePoolWaiters: 200,
      maxInFlightRuns: 2_000,
      retention: [],
      queue: { perTenant: 100_000, total: 1_000_000 },
      outboundProxy: null,
      outboundProxyResolves: true,
      outboundAuthorities: [],
      templateEnv: {},
      python: null,
      isolation: 'auto',
      logLevel: 'info',
      assertMode: 'fail',
      saveErrors: 'fail',
      warnings: [],
      limits: { bodyBytes: 1_048_576, documentBytes: 524_288, inFlightRequests: 512, waitingRequests: 2_000, requestTimeoutMs: 30_000 },
    });
  });

  it('takes a variable set to nothing for one not set', () => {
    expect(loadSettings({ PORT: '', ROLE: ' ' })).toMatchObject({ port: 8080, role: 'all' });
  });

  it('lists every bad setting at once', () => {
    const problems = problemsOf({ PORT: '80a', ROLE: 'boss', LEASE_SECONDS: '0.5', MAX_JSON_DEPTH: '0', PYTHON: '/no/such/python' });
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['PORT', 'ROLE', 'LEASE_SECONDS', 'PYTHON', 'MAX_JSON_DEPTH']);
  });

  it('lists a key file that cannot be used with the others, and tells nothing of what is in it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'settings-'));
    const file = join(folder, 'keys');
    expect(problemsOf({ PORT: '80a', ENCRYPTION_KEY_FILE: file })).toEqual([
      expect.stringMatching(/^PORT: /),
      expect.stringMatching(/^ENCRYPTION_KEY_FILE: .*ENOENT/),
    ]);
    writeFileSync(file, 'too short');
    const problems = problemsOf({ ENCRYPTION_KEY_FILE: file });
    rmSync(folder, { recursive: true });
    expect(problems).toEqual(['ENCRYPTION_KEY_FILE: key 1 is not 32 bytes in base64 or hexadecimal']);
  });

  it.each([
    ['PORT', '65535', '65536'],
    ['PORT', '0', '-1'],
    ['LEASE_SECONDS', '1.5', '0.99'],
    ['DATABASE_POOL', '2', '1'],
    ['DATABASE_POOL_WAITERS', '1', '0'],
    ['MAX_QUEUED_PER_TENANT', '1', '0'],
    ['MAX_QUEUED_TOTAL', '10000000', '10000001'],
    ['MAX_STREAMS_PER_TENANT', '1', '0'],
    ['MAX_BODY_BYTES', '1024', '1023'],
    ['PYTHON_WORKERS', '1', '1e2'],
    ['ALLOW_INSECURE', 'true', 'yes'],
    ['ISOLATION', 'process', 'docker'],
    ['LOG_LEVEL', 'debug', 'DEBUG'],
    ['RETENTION', 'completed=30d, billing/*:failed=forever', 'completed=30'],
    ['OUTBOUND_ALLOW', 'api.local:8080, 10.0.0.0/8, 192.168.1.5:443, 10.1.0.0/16:80', '10.0.0.0/64'],
    ['OUTBOUND_PROXY', 'http://user:p%40ss@proxy:3128', 'socks5://proxy:1080'],
    ['OUTBOUND_PROXY_RESOLVES', 'true', 'yes'],
    ['ENV_ALLOW', 'STAGE, REGION', 'STAGE, NOT A NAME'],
    ['DATABASE_URL', 'postgresql://db.internal/app', 'mysql://db.internal/app'],
    ['DATABASE_URL', 'postgresql://ann:100%25@db.internal/app', 'postgresql://ann:100%@db.internal/app'],
  ])('%s accepts %s and refuses %s', (name, good, bad) => {
    expect(() => loadSettings({ [name]: good })).not.toThrow();
    expect(problemsOf({ [name]: bad })).toEqual([expect.stringMatching(`^${name}: `)]);
  });

  it.each(['127.0.0.1', '127.9.0.1', 'localhost', '::1'])('serves %s without a word', (host) => {
    expect(loadSettings({ HOST: host })).toMatchObject({ host, warnings: [] });
  });

  it.each(['0.0.0.0', '::', '10.0.0.7', 'example.org', '127.0.0.1.example.org'])(
    'serves %s only if ALLOW_INSECURE says so, and warns',
    (host) => {
      expect(problemsOf({ HOST: host })).toEqual([expect.stringContaining('ALLOW_INSECURE=true')]);
      expect(loadSettings({ HOST: host, ALLOW_INSECURE: 'true' }).warnings).toEqual([expect.stringContaining(host)]);
    },
  );

  it('asks callers who they are where issuers are named, and then needs to be told its own name', () => {
    const folder = mkdtempSync(join(tmpdir(), 'showrunner-settings-'));
    const file = join(folder, 'issuers.json');
    const write = (issuers: object[]): void => writeFileSync(file, JSON.stringify({ issuers }));
    try {
      const issuer = 'https://login.example.com/realms/acme';
      write([{ issuer, tenant: 'acme' }]);
      const env = { AUTH_ISSUERS_FILE: file, PUBLIC_URL: 'https://API.example.com:443/', HOST: '0.0.0.0' };
      expect(loadSettings(env)).toMatchObject({
        warnings: [],
        publicUrl: 'https://api.example.com',
        authentication: {
          publicUrl: 'https://api.example.com',
          issuers: [
            { issuer, jwksUrl: null, tenant: { name: 'acme' }, algorithms: ['RS256', 'ES256', 'EdDSA'], audiences: [], scopeClaim: null },
          ],
        },
      });
      expect(problemsOf({ AUTH_ISSUERS_FILE: file })).toEqual([expect.stringMatching(/^AUTH_ISSUERS_FILE: needs PUBLIC_URL/)]);
      expect(problemsOf({ ...env, PUBLIC_URL: 'https://api.example.com/base' })).toEqual([expect.stringMatching(/^PUBLIC_URL: /)]);
      expect(loadSettings({}).authentication).toBeNull();
      write([{ issuer: 'http://keycloak:8080', tenant_claim: 'org' }]);
      expect(loadSettings(env).warnings).toEqual([expect.stringContaining('http://keycloak:8080 is not https')]);
      for (const [bad, why] of [
        [[], /empty/],
        [[{ issuer }], /tenant/],
        [[{ issuer, tenant: 'a', tenant_claim: 'b' }], /tenant/],
        [[{ issuer, tenant: '../x' }], /tenant/],
        [[{ issuer: 'login.example.com', tenant: 'a' }], /issuer/],
        [[{ issuer: 'https://u:p@login.example.com', tenant: 'a' }], /issuer/],
        [[{ issuer, tenant: 'a', jwks_url: 'file:///keys' }], /jwks_url/],
        [[{ issuer, tenant: 'a', jwks_url: 'http://ann:geheim@keys' }], /jwks_url/],
        [[{ issuer: 'https://:geheim@login.example.com', tenant: 'a' }], /issuer/],
        [[{ issuer, tenant: 'a', algorithms: ['HS256'] }], /algorithms/],
        [[{ issuer, tenant: 'a', algorithms: ['none'] }], /algorithms/],
        [[{ issuer, tenant: 'a', audience: 'x' }], /unknown key/],
        [[{ issuer, tenant: 'a', audiences: [''] }], /audiences/],
        [
          [
            { issuer, tenant: 'a' },
            { issuer, tenant: 'b' },
          ],
          /twice/,
        ],
      ] as const) {
        write([...bad]);
        expect(problemsOf({ ...env, HOST: '' })).toEqual([expect.stringMatching(why)]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('listens on the database itself unless told otherwise', () => {
    const [pooled, direct] = ['postgres://u:p@pooler/app', 'postgres://u:p@db/app'];
    expect(loadSettings({ DATABASE_URL: pooled }).databaseDirectUrl).toBe(pooled);
    expect(loadSettings({ DATABASE_URL: pooled, DATABASE_DIRECT_URL: direct }).databaseDirectUrl).toBe(direct);
    expect(problemsOf({ DATABASE_DIRECT_URL: direct })).toEqual(['DATABASE_DIRECT_URL: needs DATABASE_URL beside it']);
  });

  it('never repeats an address that may hold a password', () => {
    expect(
      problemsOf({ DATABASE_URL: 'redis://u:geheim@db', DATABASE_DIRECT_URL: 'ftp://u:geheim@proxy', OUTBOUND_PROXY: 'geheim' }).join(),
    ).not.toContain('geheim');
  });

  it('shows templates only what ENV_ALLOW names and the environment has', () => {
    const { templateEnv } = loadSettings({ ENV_ALLOW: 'STAGE,ABSENT', STAGE: ' prod ', SECRET: 'x' });
    expect(templateEnv).toEqual({ STAGE: ' prod ' });
  });

  it('names every rule of RETENTION that is none', () => {
    expect(problemsOf({ RETENTION: 'completed, failed=1d, running=1d' })).toEqual([
      expect.stringMatching(/^RETENTION: "completed" /),
      expect.stringMatching(/^RETENTION: "running=1d" /),
    ]);
  });

  it('cannot be changed', () => {
    const settings = loadSettings({});
    expect(() => Object.assign(settings, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(settings.limits, { bodyBytes: 1 })).toThrow(TypeError);
  });

  describe('PYTHON', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'settings-'));
      writeFileSync(join(folder, 'python3'), '#!/bin/sh\n', { mode: 0o755 });
      writeFileSync(join(folder, 'plain-file'), '', { mode: 0o644 });
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('is the first python3 on the PATH', () => {
      expect(loadSettings({ PATH: `/no/such/folder:${folder}` }).python).toBe(join(folder, 'python3'));
    });

    it('is a program that exists', () => {
      expect(loadSettings({ PYTHON: join(folder, 'python3') }).python).toBe(join(folder, 'python3'));
      expect(problemsOf({ PYTHON: join(folder, 'plain-file') })).toEqual([expect.stringMatching(/^PYTHON: /)]);
      expect(problemsOf({ PYTHON: 'python9', PATH: folder })).toEqual([expect.stringMatching(/^PYTHON: /)]);
    });
  });

  it('trusts the authorities of OUTBOUND_CA_FILE, which must be some', () => {
    const folder = mkdtempSync(join(tmpdir(), 'settings-'));
    try {
      const file = (name: string, text: string): string => (writeFileSync(join(folder, name), text), join(folder, name));
      const two = file('two.pem', `a comment\n${TEST_AUTHORITY}\n${TEST_AUTHORITY}\n`);
      expect(loadSettings({ OUTBOUND_CA_FILE: two }).outboundAuthorities).toEqual([TEST_AUTHORITY, TEST_AUTHORITY]);
      for (const bad of [join(folder, 'absent'), file('empty.pem', ''), file('bad.pem', TEST_AUTHORITY.replace(/MII/, 'AAA'))]) {
        expect(problemsOf({ OUTBOUND_CA_FILE: bad })).toEqual([expect.stringMatching(`^OUTBOUND_CA_FILE: ${bad} `)]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  describe('DATA_DIR', () => {
    const getuid = process.getuid;
    afterEach(() => (process.getuid = getuid));

    it.each([
      ['the one given', 1000, { DATA_DIR: '/srv/data', XDG_DATA_HOME: '/x' }, '/srv/data'],
      ['the folder for services, as root', 0, { HOME: '/root' }, '/var/lib/showrunner'],
      ['the data folder of the user', 1000, { HOME: '/home/ann', XDG_DATA_HOME: '/home/ann/data' }, '/home/ann/data/showrunner'],
      ['below the home folder', 1000, { HOME: '/home/ann' }, '/home/ann/.local/share/showrunner'],
      [
        'below the home folder where XDG_DATA_HOME is relative',
        1000,
        { HOME: '/home/ann', XDG_DATA_HOME: 'data' },
        '/home/ann/.local/share/showrunner',
      ],
    ])('is %s', (_name, uid, env, expected) => {
      process.getuid = () => uid;
      expect(loadSettings(env).dataDir).toBe(expected);
    });
  });
});

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  throw new Error('nothing was refused');
}
