import { StreamPlaces } from './stream-places.js';

describe(StreamPlaces.name, () => {
  it('bounds the streams of each tenant, and gives a place back once', () => {
    const places = new StreamPlaces(2);
    const first = places.take('a');
    places.take('a');
    expect(() => places.take('a')).toThrow(expect.objectContaining({ code: 'too_many_requests', kind: 'too_many' }) as Error);
    expect(() => places.take('b')).not.toThrow();
    first();
    first();
    places.take('a');
    expect(() => places.take('a')).toThrow('2 event streams');
  });
});
