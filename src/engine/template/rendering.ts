/** What a render may ask of the world, fixed for its duration. */
export interface RenderWorld {
  /** ISO-8601 UTC text for now() and today(). */
  readonly now: string;
  /** Uniform in [0, 1): uuid(), generate_uuid(). */
  readonly random: () => number;
  /** A 63-bit id as text: get_snowflake_id(). */
  readonly nextId: () => string;
}

export interface RenderLimits {
  readonly evaluationSteps: number;
  readonly outputCharacters: number;
  readonly cpuMs: number;
}
export const RENDER_LIMITS: RenderLimits = { evaluationSteps: 1_000_000, outputCharacters: 1_048_576, cpuMs: 500 };

/** One rendering session (usually all templates of one step): world, budget used so far, and the warnings collected. */
export class Rendering {
  readonly warnings: string[] = [];
  private steps = 0;
  private characters = 0;

  constructor(
    readonly world: RenderWorld,
    readonly limits: RenderLimits = RENDER_LIMITS,
  ) {}

  warn(message: string): void {
    if (this.warnings.length < 20 && !this.warnings.includes(message)) this.warnings.push(message);
  }
}
