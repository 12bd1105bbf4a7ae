import { Global, Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { SECRETS } from '../engine/secrets-port.js';
import { OutboundClient } from '../outbound/outbound-client.js';
import { CredentialRepository } from '../storage/repositories/credential.repository.js';
import { CredentialService } from './credential.service.js';
import { CredentialsController } from './credentials.controller.js';
import { KEY_RING, type KeyRing, loadKeyRing } from './key-ring.js';
import { SecretStore } from './secret-store.js';

/** Credentials at rest, and what opens them for steps. */
@Global()
@Module({
  controllers: [CredentialsController],
  providers: [
    CredentialService,
    { provide: KEY_RING, inject: [Settings], useFactory: loadKeyRing },
    {
      provide: SecretStore,
      inject: [CredentialRepository, KEY_RING, Settings, OutboundClient],
      useFactory: (credentials: CredentialRepository, ring: KeyRing | null, settings: Settings, outbound: OutboundClient) =>
        new SecretStore(credentials, ring, settings.secretEnv, outbound),
    },
    { provide: SECRETS, useExisting: SecretStore },
  ],
  exports: [SecretStore, SECRETS],
})
export class CredentialsModule {}
