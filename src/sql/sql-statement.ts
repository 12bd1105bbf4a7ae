import { type Json } from '../engine/values.js';

/** How a value is written where it stands. */
export type WrittenAs =
  /** Between the quotes of '…': more of its text. */
  | 'text'
  /** Between those of E'…'. */
  | 'escape'
  /** Between those of "…". */
  | 'quoted'
  /** One name; a list of pieces that make it together. */
  | 'identifier'
  /** The name of an object, perhaps with those of its schema and database before it: a.b.c. */
  | 'object'
  /** A literal of its own: NULL, TRUE, 5, 'text', JSON text for lists and mappings. */
  | 'value'
  /** As value, but a list is an array: '{1,2}'. */
  | 'array'
  /** A list behind the word ARRAY: [1,'text']. */
  | 'elements'
  /** A bound parameter, and one that is an array where it is a list. */
  | 'bind'
  | 'bind_array';

export type WrittenPart = {
  readonly as: WrittenAs;
  readonly value: Json;
};

/**
 * One statement, recorded as it was rendered: the author's text apart from the values, which become text only when it is
 * sent. So whatever stands in for a value until then (a reference to a credential) is escaped as what it stands for.
 */
export type SqlStatement = {
  readonly parts: (string | WrittenPart)[];
  /** The first words, upper case, at most four. */
  readonly words: string[];
};
