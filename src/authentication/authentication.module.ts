import { type DynamicModule, Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Authentication } from '../common/authentication.js';
import { parseOutboundAllow } from '../outbound/allow-list.js';
import { OutboundClient, type OutboundOptions } from '../outbound/outbound-client.js';
import { type AuthenticationSettings } from './authentication-settings.js';
import { ProtectedResourceController, TOKEN_SETTINGS } from './protected-resource.controller.js';
import { TokenAuthentication } from './token-authentication.js';

const ISSUERS_CLIENT = Symbol('ISSUERS_CLIENT');

/** Says who callers are: by their tokens where issuers are configured, else everybody is anonymous and may do everything. */
@Global()
@Module({})
export class AuthenticationModule implements OnApplicationShutdown {
  static with(settings: AuthenticationSettings | null): DynamicModule {
    return {
      module: AuthenticationModule,
      controllers: [ProtectedResourceController],
      providers: [
        { provide: TOKEN_SETTINGS, useValue: settings },
        { provide: ISSUERS_CLIENT, useFactory: () => (settings === null ? null : new OutboundClient(reaching(settings))) },
        {
          provide: Authentication,
          inject: [ISSUERS_CLIENT],
          useFactory: (client: OutboundClient | null) =>
            settings === null || client === null ? new Authentication() : new TokenAuthentication(settings, client),
        },
      ],
      exports: [Authentication],
    };
  }

  constructor(@Inject(ISSUERS_CLIENT) private readonly client: OutboundClient | null) {}

  async onApplicationShutdown(): Promise<void> {
    await this.client?.close();
  }
}

/** The operator named the issuers: they are reached also where they are at home in a private network, which steps are not let into by that. */
function reaching({ outbound, issuers }: AuthenticationSettings): OutboundOptions {
  const named = issuers.flatMap(({ issuer, jwksUrl }) => [issuer, ...(jwksUrl === null ? [] : [jwksUrl])]);
  const hosts = named.map((address) => {
    const { hostname, port, protocol } = new URL(address);
    return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
  });
  return { ...outbound, allow: { rules: [...outbound.allow.rules, ...parseOutboundAllow(hosts.join(',')).rules] } };
}
