import { LiveMessages } from './live-messages.js';

describe(LiveMessages.name, () => {
  const token = (text: string) => ({ event: 'model_token' as const, data: { text } });

  it('tells those who follow a run, and those who follow what called it', () => {
    const live = new LiveMessages();
    const heard: string[] = [];
    const hear = (who: string) => live.follow(who, ({ data }) => heard.push(`${who} ${String(data.text)}`));
    const leave = hear('grandparent');
    hear('parent');
    hear('other');
    live.relay('parent', 'grandparent');
    live.relay('child', 'parent');
    live.tell('child', token('a'));
    leave();
    live.tell('child', token('b'));
    live.tell('grandparent', token('c'));
    expect(heard).toEqual(['parent a', 'grandparent a', 'parent b']);
  });

  it('goes round no circle, and forgets the oldest callers', () => {
    const live = new LiveMessages();
    let heard = 0;
    live.follow('a', () => (heard += 1));
    live.relay('a', 'b');
    live.relay('b', 'a');
    live.tell('a', token('x'));
    expect(heard).toBeLessThan(20);
    for (let n = 0; n < 10_000; n += 1) live.relay(`r${n}`, 'a');
    heard = 0;
    live.tell('a', token('x'));
    expect(heard).toBe(1);
  });
});
