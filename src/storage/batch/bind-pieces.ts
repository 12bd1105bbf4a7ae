import { type Client } from 'pg';

interface BindConfig {
  readonly portal?: string;
  readonly statement?: string;
  readonly values?: readonly unknown[];
}
/** What the driver's connection has, and its types leave out. */
interface BindingConnection {
  bind: (config: BindConfig) => void;
  readonly stream: { write(piece: Uint8Array): boolean };
}

const BIND = 'B'.charCodeAt(0);
/** Format codes of parameters: text in the server's encoding, and bytes as the type receives them, which is the same for text. */
const [TEXT, BINARY] = [0, 1];

/**
 * Lets a connection send parameters that are bytes as they are. The driver copies each message into one buffer that grows as it goes, which for tens of
 * megabytes holds up the loop, and leaves as much garbage that the collector has to look for.
 */
export function sendInPieces(client: Client): void {
  const connection = client.connection as unknown as BindingConnection;
  const whole = connection.bind.bind(connection);
  connection.bind = (config): void => {
    if (!config.values?.some((value) => value instanceof Uint8Array)) return whole(config);
    for (const piece of bindPieces(config)) connection.stream.write(piece);
  };
}

/**
 * The message Bind, results as text (PostgreSQL, chapter "Message Formats").
 * @throws Error for a value that is neither text, nor bytes, nor null
 */
export function bindPieces({ portal = '', statement = '', values = [] }: BindConfig): Uint8Array[] {
  const pieces: Uint8Array[] = [Buffer.from(`${portal}\0${statement}\0`), int16s([values.length, ...values.map(formatOf), values.length])];
  for (const value of values) {
    if (value === null || value === undefined) {
      pieces.push(int32(-1));
      continue;
    }
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw new Error('only texts and bytes can be sent in pieces');
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    pieces.push(int32(bytes.length), bytes);
  }
  pieces.push(int16s([1, TEXT]));
  const head = Buffer.allocUnsafe(5);
  head.writeUInt8(BIND, 0);
  // The length counts itself, and not the byte before it.
  head.writeInt32BE(
    pieces.reduce((sum, piece) => sum + piece.length, 4),
    1,
  );
  return [head, ...pieces];
}

const formatOf = (value: unknown): number => (value instanceof Uint8Array ? BINARY : TEXT);

function int16s(numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(2 * numbers.length);
  numbers.forEach((number, index) => bytes.writeInt16BE(number, 2 * index));
  return bytes;
}

function int32(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(number);
  return bytes;
}
