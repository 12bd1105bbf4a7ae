import { readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Reads OUTBOUND_CA_FILE: certificates (PEM) of authorities that are trusted besides those of Node. Throws an Error for the operator. */
export function readAuthorities(path: string): readonly string[] {
  if (path === '') return [];
  const certificates = textOf(path).match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error(`${path} holds no certificate in PEM form`);
  for (const certificate of certificates) checkCertificate(certificate, path);
  return certificates;
}

/** Made once: reading some hundred certificates for every connection would cost more than the connection. */
export function trusting(authorities: readonly string[]): SecureContext {
  return createSecureContext(authorities.length === 0 ? {} : { ca: [...getCACertificates('default'), ...authorities] });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

function checkCertificate(certificate: string, path: string): void {
  try {
    new X509Certificate(certificate);
  } catch (error) {
    throw new Error(`${path} holds a certificate that cannot be read`, { cause: error });
  }
}
