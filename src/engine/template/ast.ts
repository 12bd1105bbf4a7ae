import { type Json } from '../values.js';

/** Arguments as written: `f(a, b, name=c)`. */
export interface Arguments {
  readonly positional: readonly Expression[];
  readonly named: readonly { readonly name: string; readonly value: Expression }[];
  /** Of the opening bracket or name, for messages. */
  readonly offset: number;
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';
export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export type Expression =
  | { readonly kind: 'constant'; readonly value: Json }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'mapping'; readonly entries: readonly (readonly [key: Expression, value: Expression])[] }
  | { readonly kind: 'item'; readonly object: Expression; readonly key: Expression }
  | { readonly kind: 'slice'; readonly object: Expression; readonly bounds: readonly (Expression | null)[] }
  | { readonly kind: 'sign'; readonly operator: '-' | '+'; readonly operand: Expression }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'concatenation'; readonly parts: readonly Expression[] }
  | { readonly kind: 'logic'; readonly operator: 'and' | 'or'; readonly parts: readonly Expression[] }
  | {
      readonly kind: 'comparison';
      readonly first: Expression;
      readonly rest: readonly { readonly operator: ComparisonOperator; readonly right: Expression }[];
    }
  | { readonly kind: 'choice'; readonly test: Expression; readonly then: Expression; readonly otherwise: Expression | null }
  | { readonly kind: 'filter'; readonly input: Expression; readonly name: string; readonly arguments: Arguments }
  | { readonly kind: 'test'; readonly input: Expression; readonly name: string; readonly negated: boolean; readonly arguments: Arguments }
  /** With a `caller` it is a {% call %}: the block is handed to the macro. */
  | { readonly kind: 'call'; readonly name: string; readonly arguments: Arguments; readonly caller?: CallerBlock }
  | { readonly kind: 'method'; readonly object: Expression; readonly name: string; readonly arguments: Arguments }
  /** The text of a block. */
  | { readonly kind: 'capture'; readonly body: Block };

/** `(a, b='x')` of a macro. */
export interface Parameter {
  readonly name: string;
  readonly fallback: Expression | null;
  readonly offset: number;
}

export interface CallerBlock {
  readonly parameters: readonly Parameter[];
  readonly body: Block;
}

export type Block = readonly Statement[];

export type Statement =
  | { readonly kind: 'data'; readonly text: string }
  /**
   * `source` is the text between the braces. With a `slot`, the value itself is kept under it instead of its text (compileParts).
   * A block is {% filter %} or {% call %}: always text, and what is set in it ends with it.
   */
  | {
      readonly kind: 'output';
      readonly expression: Expression;
      readonly source: string;
      readonly slot?: string;
      readonly isBlock?: boolean;
    }
  | { readonly kind: 'if'; readonly branches: readonly { readonly test: Expression; readonly body: Block }[]; readonly otherwise: Block }
  | {
      readonly kind: 'for';
      readonly targets: readonly string[];
      readonly iterable: Expression;
      readonly filter: Expression | null;
      readonly body: Block;
      readonly otherwise: Block;
    }
  | { readonly kind: 'set'; readonly targets: readonly string[]; readonly value: Expression }
  | { readonly kind: 'set_part'; readonly namespace: string; readonly part: string; readonly value: Expression }
  /** `value` is the text of the block, with the filters that the head names; `part` where a namespace is the target. */
  | { readonly kind: 'set_block'; readonly target: string; readonly part: string | null; readonly value: Expression }
  | {
      readonly kind: 'with';
      readonly bindings: readonly { readonly targets: readonly string[]; readonly value: Expression }[];
      readonly body: Block;
    }
  | { readonly kind: 'macro'; readonly name: string; readonly parameters: readonly Parameter[]; readonly body: Block };
