import { type RenderWorld } from '../template/rendering.js';

/** What there is of the world outside, for decisions and for templates. */
export interface World {
  /** Epoch milliseconds. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** A fresh 63-bit id as text. */
  nextId(): string;
  /** CPU clock for the render net, monotonic milliseconds. */
  monotonic(): number;
  /** 32 hexadecimal digits that nobody can guess, for the places of secrets; without it they come from `random`. */
  nonce?(): string;
}

/** The world as the templates of one rendering see it: its clock stands still. Made for every step, so that nothing is worked out that none asks for. */
export class Moment implements RenderWorld {
  private readonly at: number;
  private text: string | undefined;

  constructor(private readonly world: World) {
    this.at = world.now();
  }

  get now(): string {
    return (this.text ??= new Date(this.at).toISOString());
  }

  random(): number {
    return this.world.random();
  }

  nextId(): string {
    return this.world.nextId();
  }

  monotonic(): number {
    return this.world.monotonic();
  }

  nonce(): string | undefined {
    return this.world.nonce?.();
  }
}
