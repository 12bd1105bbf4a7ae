const BEARER = `An access token of an issuer that the service is configured for (AUTH_ISSUERS_FILE), with the address of the service as its audience.
\`GET /.well-known/oauth-protected-resource\` says which issuers these are.`;

/** How callers are known, as OpenAPI documents say it. */
export const BEARER_SCHEME = { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: BEARER } as const;
