import { type OutboundOptions } from '../outbound/outbound-client.js';
import { type TokenIssuer } from './issuers-file.js';

/** How tokens are accepted: by whom they are made, and what this service is called in them. */
export interface TokenSettings {
  readonly issuers: readonly TokenIssuer[];
  /** Origin by which clients know the service, without a slash at its end. */
  readonly publicUrl: string;
}

/** Tokens as they are accepted, and the way to the keys of those who make them. */
export interface AuthenticationSettings extends TokenSettings {
  readonly outbound: OutboundOptions;
}
