/** What is left of a text that was cut ends with it. */
export const CUT_MARK = '…';

/** No text is cut to fewer characters: a mark before that is one of the text's own. */
export const SHORTEST_CUT = 200;

/** What code printed ends with this where more came than is kept, as the programs of the sandbox write it. */
const PRINTS_CUT = /\n\[output cut at \d+ bytes\]\n$/;

/**
 * The beginning of a text, with a mark where something is missing, and never half a character. Secrets may be struck out of it afterwards, by
 * `Redactor.message`: the mark says where only the beginning of one may have been left.
 */
export function cutText(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')}${CUT_MARK}`;
}

/** Where a text may have been cut: before each of its marks. */
export function cutsIn(text: string): number[] {
  const cuts: number[] = [];
  for (let at = text.indexOf(CUT_MARK, SHORTEST_CUT); at >= 0; at = text.indexOf(CUT_MARK, at + 1)) cuts.push(at);
  return cuts;
}

/** Where what code printed was cut; null: it is whole. */
export function cutOfPrints(prints: string): number | null {
  const found = PRINTS_CUT.exec(prints);
  if (!found) return null;
  let at = found.index;
  // Half a character became one that says so.
  while (prints[at - 1] === '\uFFFD') at -= 1;
  return at;
}
