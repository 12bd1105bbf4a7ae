import { type SecretSession } from '../auth/secret-markers.js';
import { TemplateError } from './template-error.js';

/** What a render may ask of the world, fixed for its duration. */
export interface RenderWorld {
  /** ISO-8601 UTC text for now() and today(). */
  readonly now: string;
  /** Uniform in [0, 1): uuid(), generate_uuid(). */
  random(): number;
  /** A 63-bit id as text: get_snowflake_id(). */
  nextId(): string;
  /** Monotonic milliseconds for the CPU net; without it only the budgets of steps and text apply. */
  monotonic?(): number;
  /** 32 hexadecimal digits that nobody can guess; without it they come from `random`. */
  nonce?(): string | undefined;
}

export interface RenderLimits {
  readonly evaluationSteps: number;
  readonly outputCharacters: number;
  readonly cpuMs: number;
}
export const RENDER_LIMITS: RenderLimits = { evaluationSteps: 1_000_000, outputCharacters: 1_048_576, cpuMs: 500 };

/** How many evaluation steps pass between two looks at the clock: a look costs about as much as thirty steps. */
const STEPS_BETWEEN_CLOCKS = 4_096;
/** Copying text is cheap next to an evaluation step. */
const CHARACTERS_PER_STEP = 16;
/** Looking through one, or comparing two, is cheaper still. */
const CHARACTERS_PER_LOOK = 1_024;

/** One rendering session (usually all templates of one step): world, budget used so far, and the warnings collected. */
export class Rendering {
  readonly warnings: string[] = [];
  /** Markers of secrets that stand in rendered texts; null until there is one. */
  secrets: SecretSession | null = null;
  private steps = 0;
  private characters = 0;
  private nextClock = STEPS_BETWEEN_CLOCKS;
  private clockAt: number | undefined;
  private cpuMs = 0;

  constructor(
    readonly world: RenderWorld,
    readonly limits: RenderLimits = RENDER_LIMITS,
  ) {}

  warn(message: string): void {
    if (this.warnings.length < 20 && !this.warnings.includes(message)) this.warnings.push(message);
  }

  /** A template starts: time that passed since the last one is not the templates' time. */
  begin(): void {
    this.clockAt = undefined;
  }

  /** Fresh with every call. */
  nonce(): string {
    const digits = (): string =>
      Math.floor(this.world.random() * 65_536)
        .toString(16)
        .padStart(4, '0');
    return this.world.nonce?.() ?? Array.from({ length: 8 }, digits).join('');
  }

  /** Nothing may look into a text that has a secret in it: what stands there is only its place. Throws TemplateError. */
  refuseSecrets(value: unknown, what: string): void {
    if (this.secrets?.isIn(value)) {
      throw new TemplateError(`${what} cannot be applied to a secret; b64encode, urlencode, ~ and default can.`);
    }
  }

  /** The same where only texts are looked into: parts of mappings and lists may be taken. */
  refuseSecretText(value: unknown, what: string): void {
    if (typeof value === 'string') this.refuseSecrets(value, what);
  }

  /** Counts work before it is done; throws template_limit where the budget is used up. */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.limits.evaluationSteps) {
      throw new TemplateError(`The template needs more than ${this.limits.evaluationSteps} evaluation steps.`, 'template_limit');
    }
    if (this.steps >= this.nextClock) this.checkClock();
  }

  /** Counts a text that is about to be built, in characters, before it is allocated. */
  spendText(characters: number): void {
    if (characters > this.limits.outputCharacters) throw this.textLimit();
    this.spend(Math.ceil(characters / CHARACTERS_PER_STEP));
  }

  /** Counts a text of any length that is only looked at. */
  spendLook(characters: number): void {
    if (characters >= CHARACTERS_PER_LOOK) this.spend(Math.floor(characters / CHARACTERS_PER_LOOK));
  }

  /** Counts text that leaves a template; the sum over the session is limited. */
  spendOutput(characters: number): void {
    this.characters += characters;
    if (this.characters > this.limits.outputCharacters) throw this.textLimit();
  }

  private textLimit(): TemplateError {
    return new TemplateError(`The template makes more than ${this.limits.outputCharacters} characters of text.`, 'template_limit');
  }

  /** Looks at the clock at once: where nobody can tell before how much work something is. Throws template_limit. */
  checkClock(): void {
    this.nextClock = this.steps + STEPS_BETWEEN_CLOCKS;
    const now = this.world.monotonic?.();
    if (now === undefined) return;
    if (this.clockAt !== undefined) this.cpuMs += now - this.clockAt;
    this.clockAt = now;
    if (this.cpuMs > this.limits.cpuMs) {
      throw new TemplateError(`The template needs more than ${this.limits.cpuMs} ms.`, 'template_limit');
    }
  }
}
