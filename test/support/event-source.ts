/** One server-sent event. */
export interface StreamedEvent {
  readonly id: number;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

/** The events of a stream as they arrive; ends where the service closes it. Leaving the loop closes it from this side. */
export async function* streamEvents(url: string, lastEventId?: number): AsyncGenerator<StreamedEvent> {
  const closing = new AbortController();
  const resume: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...resume }, signal: closing.signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/event-stream/)]);
  let text = '';
  try {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      yield* blocks.filter((block) => !block.startsWith(':')).map(eventOf);
    }
    expect(text).toBe('');
  } finally {
    closing.abort();
  }
}

function eventOf(block: string): StreamedEvent {
  const fields = Object.fromEntries(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
  );
  return { id: Number(fields.id), type: fields.event!, data: JSON.parse(fields.data!) as Record<string, unknown> };
}
