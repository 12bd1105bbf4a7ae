import { parseOutboundAllow } from './allow-list.js';

const shapeOf = (text: string) =>
  parseOutboundAllow(text).rules.map((rule) =>
    rule.kind === 'host' ? [rule.host, rule.port] : [`${rule.network.toNormalizedString()}/${rule.prefix}`, rule.port],
  );

describe(parseOutboundAllow.name, () => {
  it.each([
    ['nothing', '', []],
    ['blanks and a trailing comma', ' , ', []],
    ['a host', 'api.internal', [['api.internal', null]]],
    ['a host with a port', 'api.internal:8080', [['api.internal', 8080]]],
    ['a name of one label with an underscore', 'my_service', [['my_service', null]]],
    ['any case and a trailing dot', 'API.Internal.:1', [['api.internal', 1]]],
    ['a name in another script', 'bücher.example', [['xn--bcher-kva.example', null]]],
    ['an address', '127.0.0.1', [['127.0.0.1/32', null]]],
    ['an address with a port', '127.0.0.1:9000', [['127.0.0.1/32', 9000]]],
    ['a network', '10.0.0.0/8', [['10.0.0.0/8', null]]],
    ['a network with a port', '10.0.0.0/8:443', [['10.0.0.0/8', 443]]],
    ['an IPv6 address', '::1', [['0:0:0:0:0:0:0:1/128', null]]],
    ['an IPv6 address with a port', '[::1]:8080', [['0:0:0:0:0:0:0:1/128', 8080]]],
    ['an IPv6 network', 'fd00::/8', [['fd00:0:0:0:0:0:0:0/8', null]]],
    ['an IPv6 network with a port', '[fd00::/8]:443', [['fd00:0:0:0:0:0:0:0/8', 443]]],
    [
      'several',
      'a:1, 10.0.0.0/8 ,::1',
      [
        ['a', 1],
        ['10.0.0.0/8', null],
        ['0:0:0:0:0:0:0:1/128', null],
      ],
    ],
  ])('reads %s', (_name, text, rules) => expect(shapeOf(text)).toEqual(rules));

  it.each([
    'http://host',
    'host/path',
    'user@host',
    '*.internal',
    '*',
    'a b',
    'host:0',
    'host:65536',
    'host:',
    ':80',
    'host:http',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0/8',
    '127.1',
    '2130706433',
    '0x7f000001',
    '[::1',
    '[host]:x',
    'fe80::1%eth0',
  ])('refuses %s and names it', (entry) => {
    expect(() => parseOutboundAllow(`good.example,${entry}`)).toThrow(`"${entry}"`);
  });
});
