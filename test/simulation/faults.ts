import { type Fault } from './scenario.js';
import { type World } from './world.js';

/** Makes a fault happen, and its end later. */
export function inject(world: World, fault: Fault): void {
  const { scheduler, history, server } = world;
  const later = (end: () => void): void => void scheduler.after(fault.forMs, null, end);
  if (fault.kind === 'database_away') {
    if (!server.isUp) return;
    history.note(null, 'world', `the database is away for ${fault.forMs} ms`);
    server.crash();
    return later(() => {
      if (server.isUp) return;
      history.note(null, 'world', 'the database is back');
      server.restart();
    });
  }
  const node = world.node(fault.node);
  if (!node?.alive) return;
  if (fault.kind !== 'crash' && fault.kind !== 'crash_at') history.note(null, node.process.name, `${fault.kind} for ${fault.forMs} ms`);
  const boot = (): void => later(() => world.boot(node.index));
  switch (fault.kind) {
    case 'crash':
      node.crash('killed');
      return boot();
    case 'crash_at': {
      let seen = 0;
      node.network.onRequest = (_number, moment) => {
        if (moment !== fault.moment || ++seen < fault.request) return;
        node.network.onRequest = () => undefined;
        node.crash(`killed as its request is ${moment}`);
        boot();
      };
      return;
    }
    case 'stop':
      node.process.stop();
      return later(() => {
        node.process.resume();
        world.checks.wentOn(node);
      });
    case 'sleep':
      node.process.sleep();
      world.checks.slept(node);
      return later(() => node.process.resume());
    case 'drain':
      scheduler.after(0, node.process, () => {
        void node.drain().then(() => scheduler.after(fault.forMs, null, () => world.boot(node.index)));
      });
      return;
    case 'cut':
      node.network.isCut = true;
      return later(() => {
        node.network.isCut = false;
      });
  }
}
