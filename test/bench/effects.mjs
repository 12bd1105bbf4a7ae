// The world that effect steps act on, a process of its own: answers every request at once. Prints its port.
import { createServer } from 'node:http';

const ANSWER = JSON.stringify({ done: true });
const HEAD = { 'content-type': 'application/json', 'content-length': String(ANSWER.length) };
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, HEAD).end(ANSWER);
}).listen(0, '127.0.0.1', () => console.log(server.address().port));
