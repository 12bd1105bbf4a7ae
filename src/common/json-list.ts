const SMALLEST = 1_024;

/**
 * The JSON array of what a list becomes, in UTF-8. Written item by item: view and text of an item are over before the next is made, where those of
 * the whole list outlive collections of the heap, and its text would be copied once more to follow the head of the answer.
 * @param viewOf what is sent of an item
 */
export function jsonListOf<T>(items: readonly T[], viewOf: (item: T) => object): Buffer {
  let bytes: Buffer = Buffer.allocUnsafe(SMALLEST);
  let length = bytes.write('[');
  items.forEach((item, index) => {
    const text = JSON.stringify(viewOf(item));
    // A UTF-16 unit takes three bytes at most; two more are the comma and the bracket.
    const most = length + 3 * text.length + 2;
    if (most > bytes.length) bytes = grown(bytes, length, most + text.length * (items.length - index - 1));
    if (index > 0) length += bytes.write(',', length);
    length += bytes.write(text, length);
  });
  length += bytes.write(']', length);
  return bytes.subarray(0, length);
}

/** To hold what is still to come if it is like the last item, and at least half as much again. */
function grown(bytes: Buffer, length: number, size: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(size, bytes.length + (bytes.length >> 1)));
  bytes.copy(larger, 0, 0, length);
  return larger;
}
