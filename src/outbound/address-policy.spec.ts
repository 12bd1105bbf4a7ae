import fc from 'fast-check';
import { type Destination, refusalOf } from './address-policy.js';
import { parseOutboundAllow } from './allow-list.js';
import { parseEndpoint } from './destination.js';
import { LITERAL_VECTORS } from './testing/ssrf-vectors.js';

const NOTHING = parseOutboundAllow('');
const to = (address: string, port = 80, host = address): Destination => ({ host, port, addresses: [address] });
const reasonFor = (address: string, allow = '') => refusalOf(to(address), parseOutboundAllow(allow), [])?.reason ?? 'allowed';

/** The address a URL stands for, in the one notation WHATWG gives it. */
const literalOf = (endpoint: string) => parseEndpoint(endpoint).hostname.replace(/^\[(.*)\]$/, '$1');

describe(refusalOf.name, () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '93.184.215.14',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '11.0.0.0',
    '128.0.0.1',
  ])('allows the public IPv4 address %s', (address) => expect(reasonFor(address)).toBe('allowed'));
  it.each(['2606:4700:4700::1111', '2001:4860:4860::8888', '2a00:1450:4001:81b::200e', '2003::1'])(
    'allows the public IPv6 address %s',
    (address) => expect(reasonFor(address)).toBe('allowed'),
  );

  it.each([
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['10.0.0.0', 'private'],
    ['10.255.255.255', 'private'],
    ['100.64.0.1', 'carrier-grade NAT'],
    ['100.127.255.255', 'carrier-grade NAT'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['169.254.0.1', 'link-local'],
    ['169.254.169.254', 'link-local'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.1', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['192.88.99.1', 'reserved'],
    ['192.168.0.1', 'private'],
    ['192.168.255.255', 'private'],
    ['198.18.0.1', 'reserved'],
    ['198.19.255.255', 'reserved'],
    ['198.51.100.1', 'reserved'],
    ['203.0.113.1', 'reserved'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.254', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::2', 'reserved'],
    ['::7f00:1', 'reserved'],
    ['::127.0.0.1', 'reserved'],
    ['::8.8.8.8', 'reserved'],
    ['::ffff:127.0.0.1', 'IPv4-mapped'],
    ['::ffff:7f00:1', 'IPv4-mapped'],
    ['::ffff:8.8.8.8', 'IPv4-mapped'],
    ['::ffff:0:127.0.0.1', 'IPv4-translated'],
    ['64:ff9b::127.0.0.1', 'NAT64'],
    ['64:ff9b::a9fe:a9fe', 'NAT64'],
    ['64:ff9b::8.8.8.8', 'NAT64'],
    ['64:ff9b:1::1', 'NAT64'],
    ['64:ff9b:1:ffff:ffff:ffff:ffff:ffff', 'NAT64'],
    ['64:ff9c::1', 'reserved'],
    ['100::1', 'reserved'],
    ['2001::1', 'Teredo'],
    ['2001:0:7f00:1::', 'Teredo'],
    ['2001:2::1', 'benchmarking'],
    ['2001:10::1', 'reserved'],
    ['2001:20::1', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['2002:7f00:1::', '6to4'],
    ['2002:a9fe:a9fe::1', '6to4'],
    ['3fff::1', 'reserved'],
    ['4000::1', 'reserved'],
    ['5f00::1', 'reserved'],
    ['8000::1', 'reserved'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'private'],
    ['fdff:ffff::1', 'private'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['febf:ffff::1', 'link-local'],
    ['fec0::1', 'private'],
    ['feff::1', 'private'],
    ['ff02::1', 'multicast'],
    ['ff0e::1', 'multicast'],
  ])('refuses %s: %s', (address, range) => expect(reasonFor(address)).toBe(`a ${range} address`));

  it.each(['localhost', '127.1', '0x7f.0.0.1', '0177.0.0.1', '2130706433', '', '999.1.1.1', ':::1'])(
    'refuses an answer that is no address: "%s"',
    (answer) =>
      expect(refusalOf(to(answer), parseOutboundAllow('0.0.0.0/0,::/0'), [])).toMatchObject({
        reason: 'not an IP address',
        allowable: false,
      }),
  );

  it.each(LITERAL_VECTORS)('refuses the literal %s as %s', (endpoint, address) => {
    expect(literalOf(endpoint)).toBe(address);
    expect(reasonFor(literalOf(endpoint))).not.toBe('allowed');
  });

  it.each([
    ['one bad answer among good ones', ['1.1.1.1', '10.0.0.1', '8.8.8.8'], '10.0.0.1'],
    ['a bad IPv6 answer behind a good IPv4 one', ['1.1.1.1', '::1'], '::1'],
  ])('refuses all for %s', (_name, addresses, address) =>
    expect(refusalOf({ host: 'mixed.example', port: 80, addresses }, NOTHING, [])).toMatchObject({ address, allowable: true }),
  );

  it.each([
    ['the host, any port', 'db.internal', 'db.internal', 8080, '10.0.0.1', true],
    ['the host in other case with a dot', 'db.internal', 'DB.Internal.', 80, '10.0.0.1', true],
    ['the host with its port', 'db.internal:8080', 'db.internal', 8080, '10.0.0.1', true],
    ['the host with another port', 'db.internal:8080', 'db.internal', 8081, '10.0.0.1', false],
    ['a name below the host', 'internal', 'db.internal', 80, '10.0.0.1', false],
    ['a host rule and the address itself', 'localhost', '127.0.0.1', 80, '127.0.0.1', false],
    ['the address', '10.0.0.1', 'any.example', 80, '10.0.0.1', true],
    ['the address with its port', '10.0.0.1:80', '10.0.0.1', 80, '10.0.0.1', true],
    ['the address with another port', '10.0.0.1:80', '10.0.0.1', 81, '10.0.0.1', false],
    ['the neighbour of the address', '10.0.0.1', '10.0.0.2', 80, '10.0.0.2', false],
    ['the network', '10.0.0.0/8', '10.9.8.7', 80, '10.9.8.7', true],
    ['the network with its port', '10.0.0.0/8:443', '10.9.8.7', 443, '10.9.8.7', true],
    ['the network with another port', '10.0.0.0/8:443', '10.9.8.7', 80, '10.9.8.7', false],
    ['an address outside the network', '10.0.0.0/8', '192.168.0.1', 80, '192.168.0.1', false],
    ['the mapped form of an allowed address', '127.0.0.1', '::ffff:7f00:1', 80, '::ffff:7f00:1', true],
    ['the NAT64 form of an allowed address', '127.0.0.1', '64:ff9b::7f00:1', 80, '64:ff9b::7f00:1', false],
    ['the compatible form of an allowed address', '127.0.0.1', '::127.0.0.1', 80, '::127.0.0.1', false],
    ['IPv6 in brackets', '[::1]:80', '::1', 80, '::1', true],
    ['all of IPv4 does not mean IPv6', '0.0.0.0/0', '::1', 80, '::1', false],
  ])('an exception for %s', (_name, allow, host, port, address, allowed) => {
    expect(refusalOf({ host, port, addresses: [address] }, parseOutboundAllow(allow), []) === null).toBe(allowed);
  });

  describe('the own database', () => {
    const everything = parseOutboundAllow('0.0.0.0/0,::/0,localhost,db.internal');
    const local: Destination = { host: 'localhost', port: 5432, addresses: ['127.0.0.1'] };
    const remote: Destination = { host: 'db.internal', port: 5432, addresses: ['10.0.0.5', 'fd00::5'] };
    it.each([
      ['its address', local, to('127.0.0.1', 5432)],
      ['its name', local, to('10.9.9.9', 5432, 'LOCALHOST.')],
      ['another loopback address', local, to('127.9.9.9', 5432)],
      ['IPv6 loopback', local, to('::1', 5432)],
      ['the unspecified address', local, to('0.0.0.0', 5432)],
      ['a mapped loopback address', local, to('::ffff:7f00:1', 5432)],
      ['another name for its address', remote, to('10.0.0.5', 5432, 'alias.example')],
      ['its mapped address', remote, to('::ffff:a00:5', 5432)],
      ['its second address', remote, to('fd00::5', 5432)],
    ])('is refused by %s, whatever is allowed', (_name, own, destination) => {
      expect(refusalOf(destination, everything, [own])).toMatchObject({ reason: 'the database of this service', allowable: false });
    });
    it.each([
      ['another port', local, to('127.0.0.1', 8080)],
      ['another host', remote, to('10.0.0.6', 5432)],
      ['loopback while it is elsewhere', remote, to('127.0.0.1', 5432)],
    ])('does not forbid %s', (_name, own, destination) => expect(refusalOf(destination, everything, [own])).toBeNull());
  });

  describe('every notation of every special address', () => {
    const special = [
      [0x00000000, 8],
      [0x0a000000, 8],
      [0x64400000, 10],
      [0x7f000000, 8],
      [0xa9fe0000, 16],
      [0xac100000, 12],
      [0xc0a80000, 16],
      [0xc6120000, 15],
      [0xe0000000, 4],
      [0xf0000000, 4],
    ] as const;
    const blockedV4 = fc
      .tuple(fc.constantFrom(...special), fc.nat(0xffffffff))
      .map(([[base, prefix], random]) => base + (random % 2 ** (32 - prefix)));
    const part = (value: number, radix: number) =>
      radix === 16 ? `0x${value.toString(16)}` : radix === 8 ? `0${value.toString(8)}` : `${value}`;
    const notation = fc.tuple(
      blockedV4,
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.constantFrom(8, 10, 16), { minLength: 4, maxLength: 4 }),
    );

    it('is refused for IPv4 in one to four parts, decimal, octal and hexadecimal', () => {
      fc.assert(
        fc.property(notation, ([address, parts, radixes]) => {
          const octets = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255);
          const last = address % 2 ** (8 * (5 - parts));
          const numbers = [...octets.slice(0, parts - 1), last];
          const text = numbers.map((number, index) => part(number, radixes[index] ?? 10)).join('.');
          expect(reasonFor(literalOf(`http://${text}/`))).not.toBe('allowed');
        }),
        { numRuns: 500 },
      );
    });

    it('is refused for any IPv4 address inside IPv6', () => {
      const wrap = fc.constantFrom(
        (high: string, low: string) => `::ffff:${high}:${low}`,
        (high: string, low: string) => `::${high}:${low}`,
        (high: string, low: string) => `64:ff9b::${high}:${low}`,
        (high: string, low: string) => `64:ff9b:1::${high}:${low}`,
        (high: string, low: string) => `2002:${high}:${low}::1`,
        (high: string, low: string) => `2001:0:${high}:${low}::1`,
      );
      fc.assert(
        fc.property(wrap, fc.nat(0xffff), fc.nat(0xffff), (form, high, low) => {
          const address = literalOf(`http://[${form(high.toString(16), low.toString(16))}]/`);
          expect(reasonFor(address)).not.toBe('allowed');
        }),
        { numRuns: 500 },
      );
    });

    it('is refused for IPv6 outside the public eighth', () => {
      const group = fc.nat(0xffff);
      fc.assert(
        fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
          fc.pre((groups[0] ?? 0) >>> 13 !== 1);
          expect(reasonFor(groups.map((value) => value.toString(16)).join(':'))).not.toBe('allowed');
        }),
        { numRuns: 500 },
      );
    });
  });
});
