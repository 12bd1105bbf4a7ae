import fc from 'fast-check';
import { type FastifyReply } from 'fastify';
import { cursorOf, linkNextPage, readCursor } from './paging.js';

describe(readCursor.name, () => {
  it('reads what cursorOf made', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (id) => expect(readCursor(cursorOf(String(id)))).toBe(String(id))));
  });

  it.each(['', 'x', '415923710348034048', cursorOf('-1'), cursorOf('1;drop'), `${cursorOf('12')}=`, `${cursorOf('12')}\u0000`, 'ä'])(
    'refuses %p',
    (cursor) => expect(() => readCursor(cursor)).toThrow(expect.objectContaining({ kind: 'unreadable', code: 'invalid_cursor' })),
  );

  it('takes another form of keys where the list has one', () => {
    expect(readCursor(cursorOf('a/b'), (key) => key.includes('/'))).toBe('a/b');
  });
});

describe(linkNextPage.name, () => {
  const headersOf = (url: string, cursor: string | null): Record<string, string> => {
    const headers: Record<string, string> = {};
    const reply = { header: (name: string, value: string) => ((headers[name] = value), reply) };
    linkNextPage(reply as unknown as FastifyReply, url, cursor);
    return headers;
  };

  it('keeps the filters, and replaces cursor and offset', () =>
    expect(headersOf('/api/executions?status=failed&cursor=a&offset=5', 'Zm9v')).toEqual({
      link: '</api/executions?status=failed&cursor=Zm9v>; rel="next"',
      'x-next-cursor': 'Zm9v',
    }));

  it.each(['http://a.example/executions?limit=1', 'http://[/executions?limit=1', 'HTTPS://a:b/executions?limit=1'])(
    'has only the path of %s',
    (url) => expect(headersOf(url, 'Zm9v')).toMatchObject({ link: '</executions?limit=1&cursor=Zm9v>; rel="next"' }),
  );

  it('says nothing on the last page', () => expect(headersOf('/executions', null)).toEqual({}));
});
