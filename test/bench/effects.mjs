// The world that effect steps act on, a process of its own: answers every request at once. Prints its port.
import { answerAll } from './http-wire.mjs';

console.log(await answerAll('application/json', JSON.stringify({ done: true })));
