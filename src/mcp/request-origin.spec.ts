import { namesOfHost, refusalOfOrigin } from './request-origin.js';

const RULES = {
  hosts: ['mcp.example.com', 'only.example.com:8443', '[fd00::1]'],
  origins: ['https://app.example.com', 'http://app.example.com:3000'],
};

describe(refusalOfOrigin.name, () => {
  it.each([
    ['localhost:8080', undefined],
    ['127.0.0.1', undefined],
    ['[::1]:8080', undefined],
    ['MCP.example.com:443', undefined],
    ['only.example.com:8443', undefined],
    ['[fd00::1]:80', undefined],
    ['localhost', 'https://app.example.com'],
    ['localhost', 'http://app.example.com:3000'],
    ['localhost', 'http://localhost:6274'],
    ['localhost', 'http://[::1]:6274'],
  ])('accepts %s from %s', (host, origin) => expect(refusalOfOrigin(host, origin, RULES)).toBeNull());

  it.each([
    [undefined, undefined],
    ['', undefined],
    ['evil.example', undefined],
    ['evil.example:8080', undefined],
    ['only.example.com', undefined],
    ['only.example.com:80', undefined],
    ['localhost.evil.example', undefined],
    ['localhost:8080.evil.example', undefined],
    ['evil.example:localhost', undefined],
    ['mcp.example.com.', undefined],
    ['localhost', 'null'],
    ['localhost', ''],
    ['localhost', 'http://evil.example'],
    ['localhost', 'http://app.example.com'],
    ['localhost', 'https://app.example.com:8443'],
    ['localhost', 'https://app.example.com.evil.example'],
    ['localhost', 'http://localhost.evil.example'],
    ['localhost', 'http://evil.example#localhost'],
    ['localhost', 'http://user@localhost'],
    ['localhost', 'file://localhost'],
  ])('refuses %s from %s', (host, origin) => expect(refusalOfOrigin(host, origin, RULES)).toEqual(expect.any(String)));
});

describe(namesOfHost.name, () => {
  it.each([
    ['0.0.0.0', []],
    ['::', []],
    ['Node1.internal', ['node1.internal']],
    ['fd00::1', ['[fd00::1]']],
  ])('%s', (host, expected) => expect(namesOfHost(host)).toEqual(expected));
});
